// The addresses that mean one thing to the guest and another on the host. An unspecified address means that there is no such
// mapping.
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/fixed_vector.hpp"

namespace tapioca {

/// As many as the resolvers of glibc and musl ask (MAXNS of resolv.h).
using resolver_list = fixed_vector<ip_address, 3>;

/// The name service of one family: queries of the guest (wire::is_name_service) to an address of `forwarded` go to `resolvers`.
struct name_service {
    fixed_vector<ip_address, 4> forwarded; ///< first the one of --dns-forward, or what stands for the host's loopback
    resolver_list resolvers;               ///< of the host, in the order in which they are asked; empty: queries fail at once
    bool operator==(const name_service&) const = default;
};

struct address_map {
    /// To the guest, the host's loopback address: 127.0.0.1 or ::1.
    ip_address map_host_loopback4, map_host_loopback6;
    /// To the guest, the host's own address: the one that the guest was given a copy of, or where the host has moved since.
    ip_address map_guest_addr4, map_guest_addr6;
    name_service names4, names6;
    /// The guest's addresses as assigned.
    ip_address guest4, guest6;
    /// What map_guest_addr leads to: the same, until the host has another one.
    ip_address host4, host6;
    /// Ours on the tap: where packets seem to come from whose source the guest could not reach. In IPv6 the guest's gateway comes
    /// first, as far as it has the scope that is needed.
    ip_address our_tap4, our_tap6_ll, gateway6;

    [[nodiscard]] const name_service& names(ip_family family) const noexcept
    {
        return family == ip_family::ipv4 ? names4 : names6;
    }
    bool operator==(const address_map&) const = default;
};

/// The guest's addresses as they are known by now; unspecified: unknown.
struct guest_addresses {
    ip_address v4, v6, link_local;
};

} // namespace tapioca
