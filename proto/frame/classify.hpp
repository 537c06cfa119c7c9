// From a frame to the packet in it: what it is, who talks to whom, where its parts stand; or why it is dropped.
#pragma once

#include "proto/wire/ethernet.hpp"
#include "proto/wire/ipv4.hpp"
#include "proto/wire/ipv6.hpp"

namespace tapioca {

enum class packet_kind : std::uint8_t { arp, tcp, udp, icmp, icmpv6, fragment };

struct packet {
    packet_kind kind = packet_kind::arp;
    mac_address source_mac, destination_mac;
    ip_address source, destination;
    std::uint16_t source_port = 0, destination_port = 0; ///< TCP and UDP
    octet ttl = 0, tos = 0;
    bool dont_fragment = false; ///< always for IPv6
    bytes_view l3;              ///< from the IP header (or the ARP packet) on
    bytes_view l4;              ///< the upper layer, trailing padding removed
    scattered_view body;        ///< what follows it, of a segment of TCP that came in pieces
};

/// Classifies a frame from the guest. Loopback addresses never appear on a link (RFC 1122 section 3.2.1.3, RFC 4291
/// section 2.5.3). `frame` may be the beginning of one that goes on in `body`.
[[nodiscard]] parsed<packet> classify(bytes_view frame, const scattered_view& body = {}) noexcept;

/// The packet of a reassembled datagram: `l4` and the first fragment's fields are the caller's, kind and ports are found here.
[[nodiscard]] parsed<packet> classify_upper(packet whole, octet protocol) noexcept;

} // namespace tapioca
