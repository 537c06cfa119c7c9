// Sockets of datagrams that come from another process.
#pragma once

#include "daemon/os/peer.hpp"
#include "proto/forward/opening.hpp"

namespace tapioca {

/// Whether a socket is bound as one that we would make for that path: options may have changed between the two processes.
[[nodiscard]] inline bool is_bound_for(int fd, const host_path& path) noexcept
{
    const auto bound = os::binding_of(fd);
    return bound && bound->interface.view() == path.interface &&
           (path.from.is_unspecified() ? bound->address.is_unspecified() : bound->address == path.from);
}

} // namespace tapioca
