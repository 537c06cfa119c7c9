// The AF_UNIX stream socket that guests connect to (unix(7)).
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"

#include <string>
#include <string_view>
#include <sys/types.h>

namespace tapioca::os {

inline constexpr uid_t unknown_user = static_cast<uid_t>(-1);

inline constexpr int waiting_clients = 64; ///< that have connected and were not accepted yet

/// Listens at `path`. A path that no process listens at is taken over; EADDRINUSE if one does. `backlog`: clients that may wait
/// besides one. Only before sealing.
[[nodiscard]] result<unique_fd> listen_stream(const std::string& path, int backlog = 0) noexcept;

/// Listens at an abstract name (unix(7)): there is no file, and other network namespaces do not see it.
[[nodiscard]] result<unique_fd> listen_abstract(std::string_view name) noexcept;

struct stream_client {
    unique_fd fd;
    pid_t pid = 0; ///< of the client; 0: of another PID namespace
    uid_t uid = unknown_user;
};
/// Non-blocking, with buffers as large as the kernel allows.
[[nodiscard]] result<stream_client> accept_stream(int listener) noexcept;

/// An inherited socket under a number behind standard error's, non-blocking, with buffers as large as the kernel allows. Only
/// before sealing.
[[nodiscard]] result<unique_fd> adopt_stream(int inherited) noexcept;

} // namespace tapioca::os
