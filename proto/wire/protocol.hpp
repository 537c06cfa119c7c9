// Protocol numbers shared by IPv4 and IPv6 (the IANA registry "Assigned Internet Protocol Numbers").
#pragma once

#include "proto/base/bytes.hpp"

namespace tapioca::wire {

inline constexpr octet protocol_hop_by_hop = 0;
inline constexpr octet protocol_icmp = 1;
inline constexpr octet protocol_igmp = 2;
inline constexpr octet protocol_tcp = 6;
inline constexpr octet protocol_udp = 17;
inline constexpr octet protocol_routing = 43;
inline constexpr octet protocol_fragment = 44;
inline constexpr octet protocol_icmpv6 = 58;
inline constexpr octet protocol_no_next = 59;
inline constexpr octet protocol_destination_options = 60;

/// The ports of name servers, whatever the protocol: DNS (RFC 1035 section 4.2), over TLS (RFC 7858), over QUIC (RFC 9250).
[[nodiscard]] constexpr bool is_name_service(std::uint16_t port) noexcept { return port == 53 || port == 853; }

} // namespace tapioca::wire
