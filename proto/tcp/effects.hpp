// What a TCP connection wants done after an event, as a value: the translator carries it out in a fixed order.
#pragma once

#include <cstdint>

namespace tapioca::tcp {

enum class effect : std::uint32_t {
    send_syn = 1U << 0,
    send_syn_ack = 1U << 1,
    send_ack = 1U << 2, ///< at the end of the turn, unless a segment with data carries it before
    send_duplicates =
        1U << 3, ///< three ACKs at once: a fresh gap, reported so that the guest retransmits fast (RFC 5681 section 3.2)
    send_fin = 1U << 4,
    send_reset = 1U << 5,     ///< to the guest
    send_keepalive = 1U << 6, ///< an ACK with the sequence number before snd_una (RFC 9293 section 3.8.4)
    rewind = 1U << 7,         ///< the socket's peek offset must become snd_nxt - snd_una
    read_socket = 1U << 8,    ///< there may be room for data towards the guest now
    shutdown_write = 1U << 9, ///< the guest has sent its FIN; after everything before it
    reset_socket = 1U << 10,  ///< the peer must see a reset
    close_flow = 1U << 11,
    keep_alive = 1U << 12, ///< the guest probes: let the host's kernel probe the peer as well
    connected = 1U << 13,  ///< the handshake with the guest is complete
    refuse_ack = 1U << 14, ///< a reset at the number that the guest acknowledged; the connection stays (RFC 9293 section 3.5.2)
    challenged = 1U << 15, ///< the ACK is a challenge, to be counted
    withheld = 1U << 16,   ///< an answer beyond the limit of RFC 5961 section 7 was not sent, to be counted
};

class effects {
public:
    constexpr effects() noexcept = default;
    constexpr effects(effect e) noexcept : bits_(static_cast<std::uint32_t>(e)) {}
    [[nodiscard]] constexpr bool has(effect e) const noexcept { return (bits_ & static_cast<std::uint32_t>(e)) != 0; }
    [[nodiscard]] constexpr bool none() const noexcept { return bits_ == 0; }
    constexpr effects& operator|=(effects other) noexcept
    {
        bits_ |= other.bits_;
        return *this;
    }
    constexpr void remove(effect e) noexcept { bits_ &= ~static_cast<std::uint32_t>(e); }
    friend constexpr effects operator|(effects a, effects b) noexcept { return a |= b; }
    constexpr bool operator==(const effects&) const = default;

private:
    std::uint32_t bits_ = 0;
};
constexpr effects operator|(effect a, effect b) noexcept { return effects{a} | effects{b}; }

} // namespace tapioca::tcp
