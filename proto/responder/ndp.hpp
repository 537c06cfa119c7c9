// Neighbour Discovery (RFC 4861) as the guest's only router and as the neighbour behind every address but the guest's own.
//
// Silence follows for
// - duplicate address detection (unspecified source, RFC 4862 section 5.4): no address on the link is ever taken;
// - the guest's own address as target: its owner answers for it. Whoever asks stands on the guest's side, such as a second node
// behind
//   a bridge in the guest, and would otherwise take us for the guest;
// - a target equal to the source: nobody resolves itself.
#pragma once

#include "proto/responder/guest_network.hpp"
#include "proto/wire/ipv6.hpp"

namespace tapioca {

/// The octets of the answer's frame in `out`, or why there is none. The payload of `ip` is an ICMPv6 message of type 133 to 137.
[[nodiscard]] parsed<std::size_t> ndp_respond(const mac_address& ethernet_source, const wire::ipv6_packet& ip,
                                              const guest_network& net, bytes_span out) noexcept;

/// A router advertisement, periodic or solicited; 0 if it does not fit. It never exceeds the smallest IPv6 MTU: search domains
/// that do not fit are left out.
[[nodiscard]] std::size_t router_advertisement(const guest_network& net, const ip_address& destination,
                                               const mac_address& ethernet_destination, bytes_span out) noexcept;

/// A solicitation of ours for the guest's address, sent when the guest appears: it makes the guest tell its Ethernet address. It
/// goes to the address itself in a broadcast frame, which also reaches a guest that has not joined its solicited-node group yet.
/// 0 if there is nothing to ask or `out` is too small.
[[nodiscard]] std::size_t neighbour_solicitation(const guest_network& net, bytes_span out) noexcept;

} // namespace tapioca
