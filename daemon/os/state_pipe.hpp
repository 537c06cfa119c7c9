// The end of a pipe or of a stream that somebody else has made, through which the state of a back-end goes.
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"
#include "proto/base/bytes.hpp"

namespace tapioca::os {

/// From now on reading and writing do not wait. False: it is something else, that might make us wait whatever its flags.
[[nodiscard]] bool make_state_pipe(int fd) noexcept;
/// EAGAIN: not now. 0: the end.
[[nodiscard]] result<std::size_t> read_state(int fd, bytes_span into) noexcept;
[[nodiscard]] result<std::size_t> write_state(int fd, bytes_view octets) noexcept;

} // namespace tapioca::os
