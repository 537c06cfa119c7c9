// The addresses that mean one thing to the guest and another on the host. An unspecified address means that there is no such
// mapping.
#pragma once

#include "proto/base/address.hpp"

namespace tapioca {

struct address_map {
    /// To the guest, the host's loopback address: 127.0.0.1 or ::1.
    ip_address map_host_loopback4, map_host_loopback6;
    /// To the guest, the host's own address: the one that the guest was given a copy of, or where the host has moved since.
    ip_address map_guest_addr4, map_guest_addr6;
    /// Queries of the guest to `dns_forward` (wire::is_name_service) go to `dns_host`; both are set or none.
    ip_address dns_forward4, dns_forward6;
    ip_address dns_host4, dns_host6;
    /// The guest's addresses as assigned.
    ip_address guest4, guest6;
    /// What map_guest_addr leads to: the same, until the host has another one.
    ip_address host4, host6;
    /// Ours on the tap: where packets seem to come from whose source the guest could not reach. In IPv6 the guest's gateway comes
    /// first, as far as it has the scope that is needed.
    ip_address our_tap4, our_tap6_ll, gateway6;

    bool operator==(const address_map&) const = default;
};

/// The guest's addresses as they are known by now; unspecified: unknown.
struct guest_addresses {
    ip_address v4, v6, link_local;
};

} // namespace tapioca
