// Pipes, and octets that move between sockets and pipes without being copied (splice(2)).
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"
#include "proto/base/bytes.hpp"

#include <cstddef>

namespace tapioca::os {

struct pipe_ends {
    unique_fd out, in; ///< what is written to `in` is read from `out`
};

/// Neither end ever waits.
[[nodiscard]] result<pipe_ends> make_pipe() noexcept;

/// What the pipe has room for then. EPERM if the user has too much in pipes already (pipe(7), pipe-user-pages-soft).
[[nodiscard]] result<std::size_t> set_pipe_size(int pipe, std::size_t octets) noexcept;

/// One of the two is a pipe. Returns 0 at the end of the stream; EAGAIN if there is nothing to move or no room for it. Raises
/// SIGPIPE where a socket cannot be sent to any more.
[[nodiscard]] result<std::size_t> splice(int from, int to, std::size_t octets) noexcept;

/// Copies octets into a pipe.
[[nodiscard]] result<std::size_t> write_pipe(int pipe, bytes_view octets) noexcept;

} // namespace tapioca::os
