// A process of our own beside the one that serves: what it must let go of, how long it sleeps, and the end of its child.
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"

#include <chrono>
#include <optional>
#include <string_view>
#include <sys/types.h>

namespace tapioca::os {

struct report_pipe {
    unique_fd to_read, to_write; ///< reading does not block, writing does
};
[[nodiscard]] result<report_pipe> make_report_pipe() noexcept;

/// Lets go of what the caller may wait for: the session with its terminal, the directory, standard input, output and error, which
/// lead to /dev/null then, signals but SIGKILL, SIGSTOP and faults, and every descriptor but `kept`. Its new number; throws
/// std::system_error.
[[nodiscard]] unique_fd leave_everything_but(unique_fd kept);

/// The name that ps(1) shows: that of the program up to its first dot, and `role` behind it, which begins with one.
void name_role(std::string_view role) noexcept;

/// Processes that fork later, and this one, are listed by that name instead of the words that the program was started with: they
/// are no further instance of it. Needs the heap.
void hide_command_line() noexcept;

/// Gives the heap's memory back. Nothing that was allocated can be used any more, and nothing allocated.
void forget_heap() noexcept;

/// fork(2), past the C library, which wants its heap for that. 0 in the child.
[[nodiscard]] result<pid_t> split() noexcept;

/// Readable when that process has ended. Empty before Linux 5.3.
[[nodiscard]] unique_fd end_of(pid_t process) noexcept;

/// Waits for the end of that child. True: it ended by itself, with status 0.
[[nodiscard]] bool ended_well(pid_t child) noexcept;

/// Told by poll(2) of mounts that came or went. Empty without /proc.
[[nodiscard]] unique_fd open_mount_table() noexcept;

/// What ended a wait; nothing, if it was the time.
struct wake {
    bool reader_gone = false, events = false, mounts = false;
};
/// Sleeps until the pipe's reading end is closed, there is something in `events`, mounts have changed, or the time is over.
/// Descriptors may be -1, and the time without end.
[[nodiscard]] wake sleep_on(int to_write, int events, int mounts, std::optional<std::chrono::milliseconds> longest) noexcept;

} // namespace tapioca::os
