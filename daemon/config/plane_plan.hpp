// The data plane's snapshot, from all that start-up has found out.
#pragma once

#include "daemon/config/guest_plan.hpp"
#include "daemon/config/host_network.hpp"
#include "daemon/config/options.hpp"
#include "daemon/config/plane_config.hpp"

namespace tapioca {

/// `guest_mac`: of the tap in the namespace; broadcast while it is unknown.
[[nodiscard]] plane_config plan_plane(const options& opts, const host_network& host, const guest_network& guest,
                                      const mac_address& guest_mac, without_resolvers then = without_resolvers::not_forwarded);

/// What the guest's network is, and where it leads to.
void set_network(plane_config& plane, const guest_network& guest, const address_map& translation);

} // namespace tapioca
