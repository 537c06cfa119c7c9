// Answers ARP for every IPv4 address but the guest's own: the guest's whole world stands behind us (RFC 826, proxy ARP of RFC
// 1027). Who probes an address before he takes it is answered only if it is ours; silence for others, for the guest's own address
// and for announcements lets address conflict detection succeed (RFC 5227), also that of a second address.
#pragma once

#include "proto/responder/guest_network.hpp"

namespace tapioca {

/// The octets of the reply's frame in `out`, or why there is none. `arp` is what stands behind the Ethernet header. The reply
/// goes to the frame's source, whatever it is: a probe for a listening translator comes from the broadcast address.
[[nodiscard]] parsed<std::size_t> arp_respond(const mac_address& ethernet_source, bytes_view arp, const guest_network& net,
                                              bytes_span out) noexcept;

/// A broadcast request of ours for the guest's address, sent when the guest appears: it makes the guest tell its Ethernet
/// address. 0 if there is nothing to ask or `out` is too small.
[[nodiscard]] std::size_t arp_request(const guest_network& net, bytes_span out) noexcept;

} // namespace tapioca
