// What ICMP (RFC 792) and ICMPv6 (RFC 4443) share, and the numbers of the messages that are translated.
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/checksum.hpp"
#include "proto/wire/protocol.hpp"

namespace tapioca::wire {

/// Type, code, checksum and the four octets whose meaning depends on the type: identifier and sequence, an MTU, or nothing.
struct icmp_header {
    octet type, code;
    be16 checksum;
    be16 identifier, sequence;
};
static_assert(sizeof(icmp_header) == 8 && wire_header<icmp_header>);

inline constexpr octet icmpv4_echo_reply = 0;
inline constexpr octet icmpv4_unreachable = 3;
inline constexpr octet icmpv4_echo_request = 8;
inline constexpr octet icmpv4_time_exceeded = 11;
inline constexpr octet icmpv4_parameter_problem = 12;
inline constexpr octet icmpv4_code_host = 1;
inline constexpr octet icmpv4_code_port = 3;
inline constexpr octet icmpv4_code_fragmentation_needed = 4;
inline constexpr octet icmpv4_code_prohibited = 13; // RFC 1812 section 5.2.7.1

inline constexpr octet icmpv6_unreachable = 1;
inline constexpr octet icmpv6_packet_too_big = 2;
inline constexpr octet icmpv6_time_exceeded = 3;
inline constexpr octet icmpv6_parameter_problem = 4;
inline constexpr octet icmpv6_echo_request = 128;
inline constexpr octet icmpv6_echo_reply = 129;
inline constexpr octet icmpv6_router_solicitation = 133;
inline constexpr octet icmpv6_router_advertisement = 134;
inline constexpr octet icmpv6_neighbour_solicitation = 135;
inline constexpr octet icmpv6_neighbour_advertisement = 136;
inline constexpr octet icmpv6_listener_query = 130; // RFC 2710: multicast listener discovery
inline constexpr octet icmpv6_listener_report = 131;
inline constexpr octet icmpv6_listener_done = 132;
inline constexpr octet icmpv6_listener_report_v2 = 143; // RFC 9777
inline constexpr octet icmpv6_code_prohibited = 1;
inline constexpr octet icmpv6_code_address = 3;
inline constexpr octet icmpv6_code_port = 4;

} // namespace tapioca::wire
