// Which address of the host stands behind an address that the guest uses, and the other way round.
//
// Towards the guest, each packet has a source to which the guest can answer, by the first row that fits:
//
//     the peer                              what the guest sees
//     127.0.0.1 or ::1, exactly             map_host_loopback
//     the host's own address                map_guest_addr
//     neither loopback nor zero nor an      the peer itself
//     address of the guest
//     anybody else                          our_tap4; gateway6 or our_tap6_ll
//
// A row does not fit if the guest could not answer: source and destination have one scope (RFC 4007 section 9; a router refuses
// what would leave the zone of its source, RFC 4443 section 3.1 code 2). A link-local source goes with the guest's link-local
// address. Only if the user named a target for which there is no source of its scope, another must do: the target may be an
// address of the guest's own, which is on the link.
#pragma once

#include "proto/base/fixed_vector.hpp"
#include "proto/forward/address_map.hpp"
#include "proto/forward/forward_rule.hpp"

#include <optional>

namespace tapioca {

/// The name service that the guest asks with a packet to `remote`, over TCP or UDP; null if it asks none, or not ours.
[[nodiscard]] const name_service* asked_names(const address_map& t, octet protocol, const endpoint& remote) noexcept;

/// Where a packet of the guest to `remote` really goes. First match: the first resolver for what asks our name service, the
/// host's loopback, the host's own use of the guest's address, unchanged.
[[nodiscard]] endpoint outbound_destination(const address_map& t, octet protocol, const endpoint& remote) noexcept;

/// The addresses at which the guest may have called `peer`: those of our name service if `peer` is any of its resolvers, and all
/// from which outbound_destination leads to it. First those that stand for something else.
using called_list = fixed_vector<ip_address, 7>;
[[nodiscard]] called_list called_addresses(const address_map& t, octet protocol, const endpoint& peer) noexcept;

/// Whether a packet to that destination stays on the host: its own interfaces do not lead there.
[[nodiscard]] bool stays_on_host(const address_map& t, const ip_address& destination) noexcept;

/// A peer's packet as the guest sees it.
struct inbound {
    endpoint source, destination;
    ip_address guest; ///< who answers: the destination or, if that is a group, the guest's own address
};

/// What the guest sees of a packet that `peer` sent to `to` (unspecified: to whatever address) and port `port` of the rule. The
/// rule's target comes first, a group is kept, else the guest's own address is the destination. Nothing if there is no source
/// that the guest could answer.
[[nodiscard]] std::optional<inbound> inbound_endpoints(const address_map& t, const forward_rule& rule, std::uint16_t port,
                                                       const endpoint& peer, const ip_address& to,
                                                       const guest_addresses& seen) noexcept;

/// Another port for a peer whose own is taken in the guest's eyes; of the same kind, as servers may ask for a privileged one.
[[nodiscard]] constexpr std::uint16_t next_peer_port(std::uint16_t port) noexcept
{
    return port == 1023 ? 1 : port == 65535 ? 1024 : static_cast<std::uint16_t>(port + 1);
}
static_assert(next_peer_port(1) == 2 && next_peer_port(1023) == 1 && next_peer_port(1024) == 1025 &&
              next_peer_port(65535) == 1024);

/// A node that reports an error about a packet of `guest`, as the guest knows it. Nothing if there is no address for it.
[[nodiscard]] std::optional<ip_address> reporting_node(const address_map& t, const ip_address& node,
                                                       const ip_address& guest) noexcept;

} // namespace tapioca
