// The packet that an ICMP error quotes (RFC 792, RFC 4443 section 2.4 (c)): as much of its beginning as the sender of the error
// saw fit.
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/bytes.hpp"
#include "proto/base/result.hpp"

namespace tapioca {

struct quotation {
    ip_address source, destination;
    octet protocol = 0;
    bytes_view upper; ///< what is quoted behind the IP header
};

/// `octets`: what stands behind the error's own header. A fragment that is not a datagram's first has no upper header:
/// `bad_type`. What we send to the guest has no extension headers, so an IPv6 header is taken to be followed by the upper layer.
[[nodiscard]] parsed<quotation> parse_quotation(ip_family family, bytes_view octets) noexcept;

} // namespace tapioca
