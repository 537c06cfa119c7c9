// The sockets at which the guest's queries arrive: on the host's loopback, at ports that the kernel has chosen. Other processes
// of the host that find the port are answered like the guest.
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"
#include "proto/base/address.hpp"

#include <optional>
#include <vector>

namespace tapioca {

struct name_listener {
    os::unique_fd udp, tcp;
    endpoint at; ///< of both
};

/// One for each family that the host's loopback has. Before sealing, in the host's network namespace. Throws os::start_failure if
/// there is none at all.
[[nodiscard]] std::vector<name_listener> open_name_listeners();

} // namespace tapioca
