// What the translators of datagrams have in common towards the guest: datagrams, in fragments where its MTU or that of a path
// behind it does not let them through whole, and ICMP errors about what it sent.
#pragma once

#include "daemon/os/socket.hpp"
#include "daemon/translate/context.hpp"
#include "daemon/translate/limits.hpp"
#include "proto/responder/icmp_error.hpp"

#include <array>
#include <cerrno>
#include <optional>

namespace tapioca {

/// The longest packet that reaches `guest`: what the guest's link carries, or less if a link behind it carries less.
[[nodiscard]] std::size_t mtu_towards(const context& ctx, const ip_address& guest) noexcept;

/// Sends datagrams of UDP from `key.remote` to `key.guest`, which may be a group. One of any length, in fragments if it must be;
/// or, with a `segment`, several of that size (the last may be shorter) as one super-frame, if each fits mtu_towards() and the
/// back-end takes such frames. `payload` has tap_headroom in front, and may be written over.
void send_udp(context& ctx, const flow_key& key, octet* payload, std::size_t octets, std::size_t segment = 0) noexcept;
/// Likewise a message of ICMP or ICMPv6 whose checksum is complete, in fragments if it must be.
void send_icmp(context& ctx, const flow_key& key, bytes_span message) noexcept;

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

/// When a flow's sender was last told that its path is narrower than what it sends.
class path_mtu_notices {
public:
    /// What to send when a packet with DF was delivered in fragments: first a notice from which the guest's kernel learns the
    /// path MTU without an error for the application; if the flow goes on sending such packets, the error. At most one of them a
    /// second.
    enum class saying : std::uint8_t { nothing, notice, error };
    [[nodiscard]] saying next(instant now) noexcept;

private:
    std::uint32_t last_ = 0; ///< seconds of the clock; 0: never
};
void send_too_big(context& ctx, const flow_key& key, path_mtu_notices::saying what, std::uint32_t mtu,
                  const guest_error& about) noexcept;

/// The host's own system has refused the packet `about`, with that errno: the guest hears what its own would have said. False if
/// that is no ICMP error.
bool report_failure(context& ctx, const flow_key& key, int error, const guest_error& about) noexcept;

/// Tells what a node of the network said about the packet `about` on its way to `peer`. False, which is counted, if the guest has
/// no address for that node.
bool relay_error(context& ctx, const flow_key& key, const os::queued_error& entry, const ip_address& peer,
                 const guest_error& about) noexcept;

/// Empties a socket's error queue, or it would wake us for ever, and calls `relay(entry, quoted)` with what the network has said.
/// If this host has said that a packet was too big for its path: that path's MTU.
template <class Relay>
std::optional<std::uint32_t> take_queued_errors(int fd, Relay relay) noexcept
{
    std::optional<std::uint32_t> mtu;
    std::array<octet, 1280> quoted;
    for (int i = 0; i < limits::errors_per_turn; ++i) {
        const auto entry = os::take_queued_error(fd, quoted);
        if (!entry)
            break;
        if (entry->from_network())
            relay(*entry, bytes_view{quoted}.first(entry->length));
        else if (entry->error == EMSGSIZE)
            mtu = entry->info;
    }
    return mtu;
}

} // namespace tapioca
