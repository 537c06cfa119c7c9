// Readiness: the moment from which a caller may rely on the translator. In the background that is the parent's exit: the parent
// waits for the child's message, then writes the PID file and ends with 0; if the child ends instead, it ends with 1 and leaves
// the message to the child.
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

    /// The process id as whoever started us sees it: in the background we are in a PID namespace of our own. Only before sealing.
    [[nodiscard]] pid_t pid_for_caller() noexcept;

    /// The PID file is another process', whose place we take.
    void replaces_another() noexcept { replaces_ = true; }

    /// Ready. If the descriptor of take_error_output() is closed, a reader of the caller's standard error sees its end now.
    void announce();

private:
    readiness() = default;
    unique_fd pid_file_, to_parent_, from_parent_, error_output_;
    bool replaces_ = false;
    pid_t pid_ = 0; ///< for the file; getpid(2) is not allowed once the process is sealed
};

} // namespace tapioca::os
