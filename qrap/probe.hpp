// What qrap sends to find out whether somebody serves a socket: two frames that passt answers, each behind its length. They are
// sent as a whole, and never change: an older passt knows ARP alone, any of them takes the second frame at least in silence.
#pragma once

#include "proto/wire/arp.hpp"
#include "proto/wire/ethernet.hpp"
#include "proto/wire/icmp.hpp"
#include "proto/wire/ndp.hpp"

namespace tapioca::qrap {

struct probe_frames {
    be32 arp_length;
    wire::ethernet_header arp_link;
    wire::arp_header arp;
    be32 solicitation_length;
    wire::ethernet_header solicitation_link;
    wire::ipv6_header ip;
    wire::nd_neighbour_header solicitation;
};
static_assert(sizeof(probe_frames) == 128 && wire_header<probe_frames>);

/// Nobody asks for nothing: all addresses are zero, but for the links' (all broadcast, the sender's too) and the source ::1. The
/// checksum of the solicitation is zero as well: who answers does not look at it.
inline constexpr probe_frames probe{
    .arp_length = sizeof(wire::ethernet_header) + sizeof(wire::arp_header),
    .arp_link = {mac_address::broadcast(), mac_address::broadcast(), std::uint16_t(wire::ethertype::arp)},
    .arp = {.hardware_type = std::uint16_t{1},
            .protocol_type = std::uint16_t(wire::ethertype::ipv4),
            .hardware_length = sizeof(mac_address),
            .protocol_length = sizeof(ipv4_octets),
            .operation = wire::arp_request_operation,
            .sender_mac = {},
            .sender = {},
            .target_mac = {},
            .target = {}},
    .solicitation_length = sizeof(wire::ethernet_header) + sizeof(wire::ipv6_header) + sizeof(wire::nd_neighbour_header),
    .solicitation_link = {mac_address::broadcast(), mac_address::broadcast(), std::uint16_t(wire::ethertype::ipv6)},
    .ip = {.version_class_flow = std::uint32_t{6} << 28,
           .payload_length = std::uint16_t{sizeof(wire::nd_neighbour_header)},
           .next_header = wire::protocol_icmpv6,
           .hop_limit = wire::nd_hop_limit,
           .source = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
           .destination = {}},
    .solicitation = {.type = wire::icmpv6_neighbour_solicitation,
                     .code = 0,
                     .checksum = std::uint16_t{0},
                     .flags = std::uint32_t{0},
                     .target = {}},
};

} // namespace tapioca::qrap
