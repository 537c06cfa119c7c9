// UDP (RFC 768).
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/checksum.hpp"
#include "proto/wire/protocol.hpp"

namespace tapioca::wire {

struct udp_header {
    be16 source_port, destination_port, length, checksum;
};
static_assert(sizeof(udp_header) == 8 && wire_header<udp_header>);

struct udp_datagram {
    std::uint16_t source_port = 0, destination_port = 0;
    bytes_view payload;
};

/// `l4` starts with the UDP header; octets behind the datagram's own length are ignored. The checksum is not verified.
[[nodiscard]] parsed<udp_datagram> parse_udp(bytes_view l4) noexcept;

/// A header with its checksum over the pseudo-header and `payload` computed; 0xffff stands for a computed zero.
[[nodiscard]] udp_header make_udp(const endpoint& source, const endpoint& destination, bytes_view payload) noexcept;

} // namespace tapioca::wire
