// The moment from which a caller may rely on the translator. In the background it is the parent's exit: the parent waits for the
// child's word, then writes the PID file and ends with 0; if the child ends instead, it ends with 1 and leaves the message to the
// child.
#pragma once

#include "daemon/os/unique_fd.hpp"

#include <sys/types.h>
#include <utility>

namespace tapioca::os {

class readiness {
public:
    /// The process stays in the foreground; `pid_file` may be empty.
    [[nodiscard]] static readiness in_foreground(unique_fd pid_file);

    /// Forks and returns in the child, which leads a session of its own and has `null` as standard input, output and error.
    [[nodiscard]] static readiness in_background(unique_fd pid_file, const unique_fd& null);

    /// Where messages for the user go until announce(): the standard error of the caller; empty in the foreground, where it is
    /// our own.
    [[nodiscard]] unique_fd take_error_output() noexcept { return std::move(error_output_); }

    /// Ready. Who waits for the end of the caller's standard error waits no longer, if what take_error_output() gave is closed.
    void announce();

private:
    readiness() = default;
    unique_fd pid_file_, to_parent_, error_output_;
    pid_t pid_ = 0; ///< for the file; nobody may ask when the process is sealed
};

} // namespace tapioca::os
