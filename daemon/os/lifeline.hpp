// A descriptor whose other end somebody keeps open as long as we are wanted: a pipe, or a connected UNIX socket.
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"

namespace tapioca::os {

/// An inherited one, under the number that it has; what we execute does not get it. Its flags, which others share, stay as they
/// are. EBADF: there is none. EINVAL: it is of another kind, and would not tell.
[[nodiscard]] result<unique_fd> adopt_lifeline(int inherited) noexcept;

} // namespace tapioca::os
