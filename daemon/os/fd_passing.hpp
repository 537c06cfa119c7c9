// Messages on an AF_UNIX stream with many descriptors beside them (SCM_RIGHTS, unix(7)), between two processes of ours.
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"
#include "proto/base/bytes.hpp"

#include <span>
#include <vector>

namespace tapioca::os {

inline constexpr std::size_t most_passed_fds = 253; ///< SCM_MAX_FD, of one message

enum class waiting : bool { no, yes };

/// Sends octets, one at least, with up to most_passed_fds descriptors beside the first of them. EAGAIN if not all of it could be
/// sent at once.
[[nodiscard]] result<void> send_with_fds(int socket, bytes_view octets, std::span<const int> fds) noexcept;

/// Reads some octets; descriptors that come beside them are added to `passed`, and none of them can be inherited. 0: the end of
/// the stream. EMSGSIZE: descriptors were lost on the way, for want of room among those of this process.
[[nodiscard]] result<std::size_t> receive_with_fds(int socket, bytes_span into, std::vector<unique_fd>& passed, waiting how);

/// Octets that were written once and can be changed no more (memfd_create(2)), for another process to read.
[[nodiscard]] result<unique_fd> make_memory_file() noexcept;
[[nodiscard]] result<void> seal(int memory_file) noexcept;
/// Whether a descriptor is such a file, sealed.
[[nodiscard]] bool is_sealed(int fd) noexcept;
/// Reads from `offset` on; fewer octets than asked for mean that the file ends there.
[[nodiscard]] result<std::size_t> read_memory(int memory_file, bytes_span into, std::size_t offset) noexcept;

} // namespace tapioca::os
