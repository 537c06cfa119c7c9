// "Fragmentation needed" (RFC 1191) and "packet too big" (RFC 8201) from behind a guest that routes, about a packet that we sent:
// a link there carries less than the guest's own.
#pragma once

#include "proto/base/sequence.hpp"
#include "proto/frame/classify.hpp"
#include "proto/frame/flow_key.hpp"

namespace tapioca {

struct too_big_packet {
    flow_key key;
    seq_number seq{};      ///< of a TCP segment
    std::uint32_t mtu = 0; ///< of IPv4: 0 if the router does not say
};

/// The quoted packet must be a first or only fragment of a TCP segment, a UDP datagram or an echo reply, sent by whom the message
/// goes to; else, and of other messages, `bad_type`. IPv6 knows no MTU below 1280, so such a message is `bad_length` (RFC 8201
/// section 4).
[[nodiscard]] parsed<too_big_packet> parse_too_big(const packet& p) noexcept;

} // namespace tapioca
