// Which address of the host stands behind an address that the guest uses, and the other way round.
#pragma once

#include "proto/forward/translation.hpp"

#include <optional>

namespace tapioca {

/// Where a packet of the guest to `remote` really goes. First match: queries to the forwarded resolver (TCP and UDP, ports 53 and
/// 853), the host's loopback, the host's own use of the guest's address, unchanged.
[[nodiscard]] endpoint outbound_destination(const translation& t, octet protocol, const endpoint& remote) noexcept;

/// What the guest is to see in the place of `peer`, who talks to it: an address that leads back to the peer. Nothing if there is
/// none. `seen` is the guest's address of the same family as it was observed.
[[nodiscard]] std::optional<ip_address> inbound_source(const translation& t, const ip_address& peer,
                                                       const ip_address& seen) noexcept;

} // namespace tapioca
