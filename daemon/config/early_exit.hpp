// The end of the program before it has begun: --help, --version, or a command line that cannot be followed.
#pragma once

#include <exception>
#include <string>
#include <utility>

namespace tapioca {

/// Caught by main alone, which prints `text` (it ends in a newline) on the named stream and exits with `status`.
struct early_exit : std::exception {
    early_exit(int with_status, std::string with_text, bool on_stdout)
        : status(with_status), text(std::move(with_text)), to_stdout(on_stdout)
    {
    }
    [[nodiscard]] const char* what() const noexcept override { return text.c_str(); }

    int status;
    std::string text;
    bool to_stdout;
};

} // namespace tapioca
