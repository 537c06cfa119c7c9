// What the data plane is made of, opened in sight of the user: in pasta mode a tap and listening sockets in the guest's
// namespace, in passt mode the socket that guests connect to.
#pragma once

#include "daemon/config/plane_config.hpp"
#include "daemon/follow/host_follower.hpp"
#include "daemon/forward/listener_set.hpp"
#include "daemon/loop/worker_pool.hpp"
#include "daemon/migrate/hand_over.hpp"
#include "daemon/migrate/predecessor.hpp"
#include "daemon/netns/target.hpp"
#include "daemon/os/socket_diag.hpp"

#include <optional>

namespace tapioca {

/// What --control needs.
struct control_access {
    os::unique_fd changing; ///< listens at the path that was given
    uid_t owner = 0;        ///< whose rights we have, as the host numbers users
    bool in_initial_namespace = false;
};

struct plane_parts {
    plane_config config;
    plane_resources resources;
    std::optional<os::socket_diag> host_ports, guest_ports; ///< if rules follow the other side, or may do so later
    std::vector<refused_ports> refused;                     ///< of rules that are content with what they get
    os::unique_fd conf_listener;                            ///< of --conf-path
    os::unique_fd repair_listener;                          ///< of --repair-path
    control_access control;
    network_at_start start;
    interface_in_use interface;
    std::optional<host_watch> watch; ///< unless nothing is followed
    migrate::link_at_start link;     ///< what can be given to who takes our place

    /// The first queue of the tap; null if there is none.
    [[nodiscard]] const tun_descriptor* tap() const { return std::get_if<tun_descriptor>(&resources.tap_queues.front()); }
};

/// What is there before.
struct given_parts {
    opened_listeners on_host;
    os::unique_fd client;         ///< a guest that is connected already, or empty
    migrate::predecessor* before; ///< has more; null: nobody served the guest before
};
/// Reads the host, opens what is missing, and tells the log. `owner` is whose rights we have, as the host numbers users.
[[nodiscard]] plane_parts set_up(const options& opts, const netns::target& target, given_parts given, uid_t owner);

} // namespace tapioca
