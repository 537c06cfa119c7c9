// Puts Ethernet, IP and UDP or ICMPv6 headers in front of a payload that already stands behind their room in the frame.
#pragma once

#include "proto/base/address.hpp"
#include "proto/wire/ethernet.hpp"
#include "proto/wire/ipv4.hpp"
#include "proto/wire/ipv6.hpp"
#include "proto/wire/udp.hpp"

namespace tapioca {

inline constexpr std::size_t room_before_icmpv6 = sizeof(wire::ethernet_header) + sizeof(wire::ipv6_header);
inline constexpr std::size_t room_before_udp4 =
    sizeof(wire::ethernet_header) + sizeof(wire::ipv4_header) + sizeof(wire::udp_header);
inline constexpr std::size_t room_before_udp6 = room_before_icmpv6 + sizeof(wire::udp_header);
inline constexpr std::size_t smallest_ipv6_mtu = 1280; ///< RFC 8200 section 5: what every link carries

/// Where a payload may be written: behind `headers` octets, and not more than `most` octets; empty if `frame` is too small.
[[nodiscard]] constexpr bytes_span room_behind(bytes_span frame, std::size_t headers, std::size_t most) noexcept
{
    if (frame.size() < headers)
        return {};
    const auto rest = frame.subspan(headers);
    return rest.first(rest.size() < most ? rest.size() : most);
}

struct link_addresses {
    mac_address destination, source;
};

/// Both complete the frame around `length` octets of payload, checksums included, and yield the frame's length. The family is
/// that of the addresses.
[[nodiscard]] std::size_t enclose_udp(bytes_span frame, const link_addresses& link, const endpoint& source,
                                      const endpoint& destination, std::uint32_t flow_label, std::size_t length) noexcept;
/// The ICMPv6 message's checksum field must be zero.
[[nodiscard]] std::size_t enclose_icmpv6(bytes_span frame, const link_addresses& link, const ip_address& source,
                                         const ip_address& destination, std::size_t length) noexcept;

} // namespace tapioca
