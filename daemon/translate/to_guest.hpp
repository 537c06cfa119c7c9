// What the translators of datagrams have in common towards the guest: datagrams, in fragments where its MTU or that of a path
// behind it does not let them through whole, and ICMP errors about what it sent.
#pragma once

#include "daemon/os/socket.hpp"
#include "daemon/translate/context.hpp"
#include "proto/responder/icmp_error.hpp"

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
    /// What to say to a sender whose packet was delivered in fragments although it forbade them: at first what its system learns
    /// from, without an error to the sender; to one who goes on regardless, the error; in any case no more than one of them a
    /// second.
    enum class saying : std::uint8_t { nothing, notice, error };
    [[nodiscard]] saying next(instant now) noexcept;

private:
    std::uint32_t last_ = 0; ///< seconds of the clock; 0: never
};
void send_too_big(context& ctx, const flow_key& key, path_mtu_notices::saying what, std::uint32_t mtu,
                  const guest_error& about) noexcept;

/// What the failure of a system call for a datagram means to the guest; nothing if it is ours alone.
[[nodiscard]] std::optional<icmp_cause> cause_of(int error, ip_family family) noexcept;

/// The node that reported an error about a packet on its way to `peer`, as the guest knows it. Nothing if there is no address
/// for it.
[[nodiscard]] std::optional<ip_address> offender_of(const context& ctx, const flow_key& key, const ip_address& offender,
                                                    const ip_address& peer) noexcept;

/// Relays one entry of a socket's error queue; `peer` is where the flow's packets go.
void relay_error(context& ctx, const flow_key& key, const os::queued_error& entry, const ip_address& peer,
                 bytes_view quoted) noexcept;

/// Relays what the network said about the flow's packets (the error queue of its connected socket) and clears the socket's error.
void relay_errors(context& ctx, const flow_key& key, int fd) noexcept;

} // namespace tapioca
