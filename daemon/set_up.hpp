// What the data plane is made of, opened in sight of the user: in pasta mode a tap and listening sockets in the guest's
// namespace, in passt mode the socket that guests connect to.
#pragma once

#include "daemon/config/plane_config.hpp"
#include "daemon/loop/worker_pool.hpp"
#include "daemon/netns/target.hpp"
#include "daemon/os/socket_diag.hpp"

#include <optional>
#include <string>
#include <vector>

namespace tapioca {

struct plane_parts {
    plane_config config;
    plane_resources resources;
    std::optional<os::socket_diag> host_ports, guest_ports; ///< if rules follow the other side
};

/// Lines for the log, in order.
struct set_up_report {
    std::vector<std::string> notes, warnings;
};

/// Reads the host, makes and configures the tap in the target's namespace, listens there, and leaves it again. With a `client`, a
/// guest that is connected already, there is no tap.
[[nodiscard]] plane_parts set_up_namespace(const options& opts, const netns::target& target, os::unique_fd client,
                                           set_up_report& report);

/// Reads the host and opens the socket that guests connect to; `client` is one that is connected already, or empty.
[[nodiscard]] plane_parts set_up_socket(const options& opts, os::unique_fd client, set_up_report& report);

} // namespace tapioca
