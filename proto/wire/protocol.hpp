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

} // namespace tapioca::wire
