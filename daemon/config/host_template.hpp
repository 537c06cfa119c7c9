// Chooses the interface, address and gateway that a guest's network is modelled on, one family at a time, from what netlink told.
#pragma once

#include "daemon/config/host_network.hpp"
#include "daemon/os/rtnetlink.hpp"

#include <optional>
#include <string>
#include <vector>

namespace tapioca {

/// Of one family's routes, what the choice needs; a host with a full Internet table keeps no more than this.
struct candidate_routes {
    std::vector<os::route_entry> defaults; ///< in the kernel's order
    std::optional<os::route_entry> other;  ///< the first that is neither default, loopback's nor link-local

    void add(os::route_entry&& route, int loopback_index);
};

struct family_tables {
    candidate_routes routes;
    std::vector<os::address_entry> addresses;
};

struct template_request {
    ip_family family = ip_family::ipv4;
    int interface_index = 0;    ///< named by the user; 0: choose
    bool address_given = false; ///< by the user: the interface needs none
};

/// A family without a usable interface is in local mode. What is worth telling goes to `notes`.
[[nodiscard]] host_family choose_template(const template_request& request, const std::vector<os::link_entry>& links,
                                          const family_tables& tables, std::vector<std::string>& notes);

/// A network that the host has no part in: 169.254.2.1/16 behind 169.254.2.2 (RFC 3927), or a guest with a link-local address
/// behind fe80::1.
[[nodiscard]] host_family local_mode(ip_family family);

} // namespace tapioca
