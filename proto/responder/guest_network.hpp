// What the responders tell a guest about its network: an immutable part of the configuration.
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/fixed_vector.hpp"

#include <algorithm>
#include <cstdint>

namespace tapioca {

inline constexpr std::size_t most_resolvers = 3; ///< announced per family
inline constexpr std::size_t most_search_domains = 6;
inline constexpr std::size_t longest_domain_name = 253; ///< RFC 1035 section 2.3.4, in text form

using domain_name = fixed_string<longest_domain_name>;

/// A prefix that the guest was told of before. It may go on to use addresses of it for a while, but is to make none its own.
struct withdrawn_prefix {
    prefix which;                   ///< an address of IPv4, or 64 bits of IPv6
    std::uint32_t seconds_left = 0; ///< as the guest is told
    bool operator==(const withdrawn_prefix&) const = default;
};
inline constexpr std::size_t most_withdrawn = 4; ///< of each kind; the oldest make way

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

    /// What the guest is told holds for a while (lifetimes.hpp), since it may be told something else; otherwise for ever.
    bool may_change = false;
    fixed_vector<withdrawn_prefix, most_withdrawn> withdrawn;
    fixed_vector<ip_address, most_withdrawn> withdrawn_resolvers; ///< of both families

    std::uint32_t duid_time = 0; ///< seconds since 2000-01-01 UTC at start, for the DUID-LLT of DHCPv6

    bool operator==(const guest_network&) const = default;

    /// Stands for us or for somebody on the host, so that it is not for a guest to take.
    [[nodiscard]] constexpr bool is_ours(const ip_address& a) const noexcept
    {
        return a == gateway4 || a == our_address4 || a == our_link_local ||
               std::find(stand_ins.begin(), stand_ins.end(), a) != stand_ins.end();
    }
    [[nodiscard]] constexpr bool has_withdrawn(const ip_address& a) const noexcept
    {
        return std::any_of(withdrawn.begin(), withdrawn.end(), [&](const withdrawn_prefix& w) { return w.which.contains(a); });
    }
};

} // namespace tapioca
