// The command line of `tapioca capture`, which is like tcpdump(1)'s where the two do the same.
#pragma once

#include "daemon/config/option_table.hpp"

#include <optional>
#include <span>
#include <string>
#include <sys/types.h>

namespace tapioca::client {

struct capture_command {
    std::optional<pid_t> pid;        ///< of one instance
    std::optional<std::string> path; ///< of one instance's control socket
    std::optional<std::string> file; ///< "-": standard output; nothing: lines of text
    std::uint32_t snapshot = 262144; ///< octets of a frame that are kept
    std::uint64_t count = 0;         ///< of frames; 0: no end
    std::uint64_t file_octets = 0;   ///< 0: one file, of any size
    std::uint32_t files = 0;         ///< of a ring; 0: no ring
    bool drops_only = false;
    std::string direction; ///< "in", "out", or empty: both
    std::string filter;
};

[[nodiscard]] std::span<const option_entry> capture_options() noexcept;

/// `argv` begins with the word `capture`. Throws early_exit: for --help, and, with status 2, what cannot be followed.
[[nodiscard]] capture_command parse_capture_command(std::span<const char* const> argv);

} // namespace tapioca::client
