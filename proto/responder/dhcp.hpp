// A DHCP server with one address to lease to whoever asks, for ever unless it may change (RFC 2131; rapid commit of RFC 4039). It
// keeps no state, so the answer follows from the request alone:
//
//   DISCOVER          OFFER, or ACK if the client asks for rapid commit
//   REQUEST           ACK; NAK if it names another address than ours to lease (section 4.3.2: selecting, after a reboot,
//   renewing,
//                     rebinding); silence if it selects another server
//   INFORM            ACK without an address and a lease (section 4.3.5)
//   no message type   ACK: a BOOTP client
//   DECLINE, RELEASE  silence, as nothing is to be remembered
//
// Requests that came through a relay are not answered: there is none between the guest and us.
#pragma once

#include "proto/responder/guest_network.hpp"

namespace tapioca {

/// The octets of the answer's frame in `out`, or why there is none. `udp_payload` was sent to port 67.
[[nodiscard]] parsed<std::size_t> dhcp_respond(const mac_address& ethernet_source, bytes_view udp_payload,
                                               const guest_network& net, bytes_span out) noexcept;

/// The guest's address, if such a datagram is answered in a way that makes the address the client's; else unspecified.
[[nodiscard]] ip_address address_given_by_dhcp(bytes_view udp_payload, const guest_network& net) noexcept;

} // namespace tapioca
