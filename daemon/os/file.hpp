// Files and the log socket: opened at start-up, written to afterwards.
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace tapioca::os {

enum class access { write_only, read_write };

/// Creates or truncates a file that only its owner may read. Throws with `what`, the path and the cause.
[[nodiscard]] unique_fd create_private_file(const std::string& path, access how, const std::string& what);

/// Likewise, but what is in the file stays: another process of ours may still be its writer.
[[nodiscard]] unique_fd open_private_file(const std::string& path, access how, const std::string& what);

/// Opens what lines are appended to: a file, which is made if there is none and which only its owner may read then, a device, or
/// a FIFO, which needs no reader yet. "-" is standard output. Writing never waits for a reader. Throws with `what`, the path and
/// the cause.
[[nodiscard]] unique_fd open_to_append(const std::string& path, const std::string& what);

/// /dev/null, to stand in for standard input, output and error once no path can be opened any more.
[[nodiscard]] unique_fd open_null();

/// A datagram socket connected to the system's log; empty where there is none.
[[nodiscard]] unique_fd connect_log(const char* path = "/dev/log") noexcept;

/// Writes all of it, unless an error stops that.
result<void> write_all(int fd, std::string_view text) noexcept;
/// As much as there is room for now.
result<std::size_t> write_some(int fd, std::string_view text) noexcept;
result<void> write_at(int fd, std::string_view text, std::size_t offset) noexcept;
result<std::span<char>> read_at(int fd, std::span<char> into, std::size_t offset) noexcept;
/// What is there, at most as much as there is room for; 0 at the end.
result<std::size_t> read_some(int fd, std::span<char> into) noexcept;
result<void> truncate(int fd, std::size_t size) noexcept;

enum class patience : std::uint8_t { none, some };

/// One datagram; false if the receiver did not take it, which with some patience takes a second to find out.
bool send_datagram(int fd, std::string_view text, patience wait) noexcept;

} // namespace tapioca::os
