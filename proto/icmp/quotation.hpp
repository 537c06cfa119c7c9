// The packet that an ICMP error quotes (RFC 792, RFC 4443 section 2.4 (c)): as much of its beginning as the sender of the error
// saw fit.
#pragma once

#include "proto/frame/classify.hpp"

namespace tapioca {

struct quotation {
    ip_address source, destination;
    octet protocol = 0;
    bytes_view upper; ///< what is quoted behind the IP header
};

/// What every quotation holds of TCP (RFC 792); of UDP, the last field is its length and its checksum.
struct quoted_transport {
    be16 source_port, destination_port;
    be32 sequence;
};
static_assert(sizeof(quoted_transport) == 8 && wire_header<quoted_transport>);

/// `octets`: what stands behind the error's own header. A fragment that is not a datagram's first has no upper header:
/// `bad_type`. What we send to the guest has no extension headers but that of a fragment.
[[nodiscard]] parsed<quotation> parse_quotation(ip_family family, bytes_view octets) noexcept;

/// Whether the checksum of an ICMP or ICMPv6 message is right.
[[nodiscard]] bool is_intact(const packet& message) noexcept;

} // namespace tapioca
