// What the responders tell a guest about its network: an immutable part of the configuration.
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/fixed_vector.hpp"

#include <cstdint>

namespace tapioca {

inline constexpr std::size_t most_resolvers = 3; ///< announced per family
inline constexpr std::size_t most_search_domains = 6;
inline constexpr std::size_t longest_domain_name = 253; ///< RFC 1035 section 2.3.4, in text form

using domain_name = fixed_string<longest_domain_name>;

/// An unspecified address means "none". `ip_address{}` is unspecified in both families' fields.
struct guest_network {
    mac_address our_mac{{0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55}};
    std::uint16_t mtu = 65520; ///< 0: announce none

    bool ipv4 = false; ///< the family is enabled
    prefix address4;   ///< the guest's address
    ip_address gateway4;
    ip_address our_address4; ///< where our own IPv4 packets come from: the gateway, or 169.254.2.2 in local mode
    bool dhcp = false;

    bool ipv6 = false;
    ip_address address6; ///< the guest's address; prefix length is always 64
    ip_address our_link_local;
    bool ndp = false;
    bool ra = false;
    bool ra_without_route = false; ///< its default route is there already; Linux takes nothing from who offers it again
    bool dhcpv6 = false;

    fixed_vector<ip_address, 12> stand_ins; ///< addresses that stand for the host, or for a resolver: not for a guest to take

    fixed_vector<ip_address, most_resolvers> resolvers4, resolvers6; ///< announced; empty: none
    fixed_vector<domain_name, most_search_domains> search;           ///< announced; empty: none
    domain_name hostname, fqdn;

    std::uint32_t duid_time = 0; ///< seconds since 2000-01-01 UTC at start, for the DUID-LLT of DHCPv6

    bool operator==(const guest_network&) const = default;
};

} // namespace tapioca
