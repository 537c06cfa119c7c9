// What the interface inside the namespace will be given, worked out on the host's side before anybody enters the namespace.
#pragma once

#include "daemon/config/host_network.hpp"
#include "daemon/config/options.hpp"
#include "daemon/os/rtnetlink.hpp"
#include "proto/responder/guest_network.hpp"

#include <optional>
#include <string>
#include <vector>

namespace tapioca {

struct interface_family_plan {
    bool enabled = false;
    std::vector<os::address_entry> addresses;
    std::vector<os::netlink_message> routes; ///< requests; their output interface is set when they are applied
    bool routes_copied = false;              ///< from the host: one that does not fit the namespace is no reason to give up
};

struct interface_plan {
    std::string name;
    bool configure = false; ///< --config-net; otherwise the guest is left to its own DHCP and SLAAC clients
    std::optional<mac_address> mac;
    std::uint16_t mtu = 0; ///< 0: as it is
    interface_family_plan v4, v6;
};

/// Reads the template interface's addresses and routes where they are to be copied. Call it in the host's network namespace, or
/// with a socket of it.
[[nodiscard]] interface_plan plan_interface(const options& opts, const host_network& host, const guest_network& guest);
[[nodiscard]] interface_plan plan_interface(const options& opts, const host_network& host, const guest_network& guest,
                                            os::netlink_socket& socket);

/// The tap's name: as given, else that of the template interface unless that is the loopback, else "tap0".
[[nodiscard]] std::string interface_name(const options& opts, const host_network& host);

} // namespace tapioca
