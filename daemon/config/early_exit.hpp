// The end of the program before it has begun: --help, --version, or a command line that cannot be followed.
#pragma once

#include <exception>
#include <string>
#include <string_view>
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

/// Leaves with one line on stderr and status 1: `message` and `subject` together, in words that callers know and match; behind
/// them what is wrong with it, and what would be right.
[[noreturn]] inline void refuse(std::string_view message, std::string_view subject = {}, std::string_view reason = {})
{
    auto text = std::string{message}.append(subject);
    if (!reason.empty())
        text.append("; ").append(reason);
    throw early_exit{1, text + '\n', false};
}

} // namespace tapioca
