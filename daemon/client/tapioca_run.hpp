// Children of the tool: programs that are run for what they print, and system calls that are tried where they change nothing of
// ours.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace tapioca::client {

/// What a program prints on standard output and error, 64 KiB and two seconds of it at most; nothing if it cannot be run. argv[0]
/// is its path.
[[nodiscard]] std::string output_of(const std::vector<std::string>& argv);

/// What became of a program that goes to the background when it is ready.
struct started {
    int status = 0;     ///< its exit status; -1: it did not end, or not by itself
    std::string output; ///< on standard output and error until then, 64 KiB at most
};

/// Starts it in a directory, in a session of its own, and waits until it has gone to the background, or failed.
[[nodiscard]] started start_in_background(const std::vector<std::string>& argv, const std::string& directory,
                                          std::chrono::seconds patience);

/// So many lines of a text at most, without the last line's end.
[[nodiscard]] std::string first_lines(std::string_view text, int count);

/// Calls `attempt` in a child process and gives what it returns: 0, or a number of errno(3).
[[nodiscard]] int result_in_child(int (*attempt)());

} // namespace tapioca::client
