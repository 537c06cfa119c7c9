// A DHCPv6 server with one address to lease, for ever, to whoever asks for one (RFC 8415). It keeps no state, so the answer
// follows from the message alone:
//
//   SOLICIT              ADVERTISE, or REPLY if the client asks for rapid commit (section 18.3.1)
//   REQUEST              REPLY; "not on link" for an address other than ours to lease (section 18.3.2)
//   RENEW, REBIND        REPLY; other addresses come back with lifetimes of zero next to ours (sections 18.3.4 and 18.3.5)
//   CONFIRM              REPLY: success, or "not on link" if any address is another (section 18.3.3)
//   RELEASE, DECLINE     REPLY: success (sections 18.3.7 and 18.3.8)
//   INFORMATION-REQUEST  REPLY without addresses (section 18.3.6)
//
// An identity association gets what there is: the first IA_NA (or that which has the address already) the address, other IA_NA
// and IA_TA "no addresses available", IA_PD "no prefix available". As only one address is ever leased, every other one counts as
// not on link, so that a client that comes from another network, or from another address on this one, ends up with ours.
#pragma once

#include "proto/responder/guest_network.hpp"
#include "proto/wire/ipv6.hpp"
#include "proto/wire/udp.hpp"

namespace tapioca {

/// The octets of the answer's frame in `out`, or why there is none. `udp` is the datagram in `ip`, sent to port 547.
[[nodiscard]] parsed<std::size_t> dhcpv6_respond(const mac_address& ethernet_source, const wire::ipv6_packet& ip,
                                                 const wire::udp_datagram& udp, const guest_network& net,
                                                 bytes_span out) noexcept;

} // namespace tapioca
