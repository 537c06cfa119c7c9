// IPv4 (RFC 791): header, bounds, emission.
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/checksum.hpp"
#include "proto/wire/protocol.hpp"

namespace tapioca::wire {

struct ipv4_header {
    octet version_ihl, tos;
    be16 total_length, identification, flags_fragment;
    octet ttl, protocol;
    be16 checksum;
    ipv4_octets source, destination;
};
static_assert(sizeof(ipv4_header) == 20 && wire_header<ipv4_header>);

inline constexpr std::uint16_t ipv4_dont_fragment = 0x4000;
inline constexpr std::uint16_t ipv4_more_fragments = 0x2000;
inline constexpr std::uint16_t ipv4_fragment_offset = 0x1fff; ///< in units of eight octets

struct ipv4_packet {
    ip_address source, destination;
    std::uint16_t identification = 0;
    std::uint16_t fragment_offset = 0; ///< in octets
    bool more_fragments = false;
    bool dont_fragment = false;
    octet protocol = 0, ttl = 0, tos = 0;
    octet header_length = 0; ///< in octets, options included
    bytes_view payload;      ///< trailing padding of the frame removed
    std::size_t beyond = 0;  ///< octets that follow it elsewhere
};

/// Parses one packet from the octets behind the link header. Does not verify the header checksum: a tap or a virtio ring has its
/// own. Of a packet that goes on for `beyond` octets elsewhere, `payload` is the part that is here.
[[nodiscard]] parsed<ipv4_packet> parse_ipv4(bytes_view l3, std::size_t beyond = 0) noexcept;

struct ipv4_fields {
    ip_address source, destination;
    octet protocol = 0;
    octet ttl = 255;
    octet tos = 0;
    std::uint16_t identification = 0;
    std::uint16_t flags_fragment = ipv4_dont_fragment;
};

/// A header without options for `payload_length` octets, its checksum computed.
[[nodiscard]] ipv4_header make_ipv4(const ipv4_fields& fields, std::size_t payload_length) noexcept;

} // namespace tapioca::wire
