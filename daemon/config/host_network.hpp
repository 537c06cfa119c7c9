// The host's network as the template for the guest's: one interface a family with its address and gateway, and the resolvers.
#pragma once

#include "daemon/config/options.hpp"
#include "daemon/os/rtnetlink.hpp"
#include "proto/base/address.hpp"
#include "proto/policy/address_class.hpp"
#include "proto/responder/guest_network.hpp"

#include <string>
#include <vector>

namespace tapioca {

/// One address family on the host.
struct host_family {
    bool enabled = false;
    bool local_mode = false; ///< the host has no usable set-up: the guest gets a link-local network of its own
    int interface_index = 0; ///< of the template interface; 0 in local mode
    std::string interface;   ///< its name
    prefix address;          ///< the address the guest gets; for IPv6 the length is 64 and local mode has none
    ip_address gateway;      ///< unspecified: none
    ip_address link_local;   ///< IPv6: of the template interface
};

struct host_network {
    host_family v4, v6;
    std::vector<os::link_entry> links;
    std::vector<ip_address> addresses; ///< of all interfaces, in the enabled families
    std::vector<prefix> networks;      ///< destinations of its routes beside the default ones; only read for an egress policy
    std::vector<ip_address> resolvers; ///< of resolv.conf, in its order, zone ids cut
    std::vector<std::string> search;
    int resolv_conf_error = 0;                            ///< errno: why there are none
    std::string name;                                     ///< of the host itself
    std::optional<std::uint32_t> udp_timeout, udp_stream; ///< how long its firewall remembers UDP flows, in seconds
    std::optional<std::uint32_t> tcp_retries, tcp_syn_retries, tcp_syn_linear_timeouts, tcp_rto_max_ms; ///< its sysctls
    std::vector<std::string> notes, warnings;                                                           ///< for the log, in order
};

/// What of the host's network may change while the program runs.
struct host_look {
    host_family v4, v6;
    std::vector<os::link_entry> links;
    std::vector<ip_address> addresses; ///< of all interfaces, in the enabled families
    std::vector<prefix> networks;      ///< as host_network has them
    std::vector<std::string> notes, warnings;
};

/// Which families the guest has, if the host has them.
struct families {
    bool ipv4 = true, ipv6 = true;
};

/// Reads it by a socket that is open. Throws what discover() throws.
[[nodiscard]] host_look look_at_host(const options& opts, families enabled, os::netlink_socket& socket);

/// Reads the host's routes, addresses and resolvers by netlink and from /etc/resolv.conf. Only a named interface that does not
/// exist or cannot be used throws; a host without a network yields local mode in the family that lacks one.
[[nodiscard]] host_network discover(const options& opts);

/// What the classes of an egress policy are told of the host.
[[nodiscard]] host_places places_of(const host_network& host);

} // namespace tapioca
