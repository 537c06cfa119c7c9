// Ethernet II framing (IEEE 802.3 clause 3.2, RFC 894, RFC 2464): no VLAN tags, no frame check sequence.
#pragma once

#include "proto/base/address.hpp"

namespace tapioca::wire {

enum class ethertype : std::uint16_t { ipv4 = 0x0800, arp = 0x0806, ipv6 = 0x86dd };

struct ethernet_header {
    mac_address destination, source;
    be16 type;
};
static_assert(sizeof(ethernet_header) == 14 && wire_header<ethernet_header>);

/// The shortest frame that Ethernet carries, without its check sequence; stream back-ends pad to it.
inline constexpr std::size_t minimum_frame = 60;

/// IEEE 802.1Q table 8-1: the groups of protocols that end at the link, which no bridge forwards.
[[nodiscard]] constexpr bool is_link_constrained(const mac_address& to) noexcept
{
    const auto& o = to.octets;
    return o[0] == 0x01 && o[1] == 0x80 && o[2] == 0xc2 && o[3] == 0 && o[4] == 0 && o[5] < 0x10;
}

/// The Ethernet address of a multicast group: RFC 1112 section 6.4, RFC 2464 section 7.
[[nodiscard]] constexpr mac_address multicast_mac(const ip_address& group) noexcept
{
    const auto& o = group.octets();
    if (group.is_v4())
        return {{0x01, 0x00, 0x5e, static_cast<octet>(o[13] & 0x7f), o[14], o[15]}};
    return {{0x33, 0x33, o[12], o[13], o[14], o[15]}};
}

} // namespace tapioca::wire
