// IPv6 (RFC 8200): header, the chain of extension headers, the fragment header, emission.
#pragma once

#include "proto/base/address.hpp"
#include "proto/wire/protocol.hpp"

namespace tapioca::wire {

struct ipv6_header {
    be32 version_class_flow;
    be16 payload_length;
    octet next_header, hop_limit;
    ipv6_octets source, destination;
};
static_assert(sizeof(ipv6_header) == 40 && wire_header<ipv6_header>);

/// RFC 8200 section 4.5.
struct ipv6_fragment_header {
    octet next_header, reserved;
    be16 offset_more; ///< offset in units of eight octets in the upper 13 bits, "more fragments" in the lowest
    be32 identification;
};
static_assert(sizeof(ipv6_fragment_header) == 8 && wire_header<ipv6_fragment_header>);

struct ipv6_packet {
    ip_address source, destination;
    octet hop_limit = 0, traffic_class = 0;
    std::uint32_t flow_label = 0;
    octet protocol = 0;              ///< of the payload: the upper layer, or of the first fragment's remainder
    std::uint16_t header_length = 0; ///< octets before the payload: base header and extension headers
    bool fragment = false;           ///< a fragment header was met; the payload is what stands behind it
    bool more_fragments = false;
    std::uint16_t fragment_offset = 0; ///< in octets
    std::uint32_t identification = 0;
    bytes_view payload;     ///< trailing padding of the frame removed
    std::size_t beyond = 0; ///< octets that follow it elsewhere
};

/// Parses one packet from the octets behind the link header and walks its extension headers (RFC 8200 section 4): hop-by-hop
/// options, routing, destination options and fragment, at most eight of them. Stops behind a fragment header with a non-zero
/// offset or more to come, as the rest may be in another fragment. "No next header" and unknown extension headers yield
/// `extension_header`. Of a packet that goes on for `beyond` octets elsewhere, `payload` is the part that is here.
[[nodiscard]] parsed<ipv6_packet> parse_ipv6(bytes_view l3, std::size_t beyond = 0) noexcept;

/// What stands behind the last extension header.
struct ipv6_upper {
    octet protocol = 0;
    bytes_view payload;
};

/// Walks the extension headers that may follow a fragment header, of which `first` is the first one's number (RFC 8200
/// section 4.5): for first fragments and for datagrams put together from them. Hop-by-hop options and another fragment header
/// have no place there.
[[nodiscard]] parsed<ipv6_upper> walk_upper(octet first, bytes_view octets) noexcept;

struct ipv6_fields {
    ip_address source, destination;
    octet next_header = 0;
    octet hop_limit = 255;
    octet traffic_class = 0;
    std::uint32_t flow_label = 0; ///< 20 bits
};

[[nodiscard]] ipv6_header make_ipv6(const ipv6_fields& fields, std::size_t payload_length) noexcept;

} // namespace tapioca::wire
