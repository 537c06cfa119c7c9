// What the translators of datagrams have in common towards the guest: fragments of what its MTU does not let through whole, and
// ICMP errors about what it sent.
#pragma once

#include "daemon/translate/context.hpp"
#include "proto/responder/icmp_error.hpp"

#include <optional>

namespace tapioca {

[[nodiscard]] std::size_t guest_mtu(const context& ctx) noexcept;

/// Sends a datagram in fragments. Its upper header is complete; `payload` has tap_headroom in front, and is written over from
/// there to its end, as each fragment's headers take the place of octets that have gone out before.
void send_fragments(context& ctx, const flow_key& key, bytes_view upper_header, bytes_span payload,
                    std::uint32_t identification) noexcept;

/// An error about a packet that the guest sent in the flow `key`.
struct guest_error {
    icmp_cause cause{};
    ip_address offender{};          ///< as the guest knows it; unspecified: this program
    std::uint32_t sequence = 0;     ///< of an echo request
    octet ttl = 255, tos = 0;       ///< of the guest's packet
    bytes_view payload{};           ///< of it, as much as is known
    std::size_t payload_length = 0; ///< all of it
};
void send_error(context& ctx, const flow_key& key, const guest_error& error) noexcept;

/// What the failure of a system call for a datagram means to the guest; nothing if it is ours alone.
[[nodiscard]] std::optional<icmp_cause> cause_of(int error, ip_family family) noexcept;

/// Relays what the network said about the flow's packets (the socket's error queue) and clears the socket's error. `peer` is whom
/// the socket is connected to.
void relay_errors(context& ctx, const flow_key& key, int fd, const ip_address& peer) noexcept;

} // namespace tapioca
