// What a back-end's state says of its guest and of each of its TCP connections when the guest migrates, in host order. stream.hpp
// has the octets; doc/migration.md says what each field means to whom.
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/sequence.hpp"

#include <cstdint>

namespace tapioca::migrate {

/// What was seen of the guest's end of the link. Unspecified: nothing was.
struct guest_seen {
    ip_address v4, v6, link_local;
    mac_address mac;
};

/// What has happened on a connection.
enum class event : std::uint8_t {
    established = 1U << 2,
    peer_finished = 1U << 3,    ///< the peer's FIN is in the socket
    shut_to_peer = 1U << 4,     ///< the socket has been told of the guest's FIN
    guest_finished = 1U << 5,   ///< the guest's FIN has been taken
    fin_to_guest = 1U << 6,     ///< our FIN has been sent to the guest
    fin_acknowledged = 1U << 7, ///< by the guest
};

/// The connection as the guest knows it, and where its socket is.
struct flow_record {
    bool by_peer = false; ///< who opened it
    ip_address guest, remote;
    std::uint16_t guest_port = 0, remote_port = 0;
    endpoint own, peer; ///< of the socket
    std::uint8_t retries = 0, guest_scale = 0, our_scale = 0, events = 0;
    std::uint32_t mss = 0;
    std::uint32_t send_buffer = 0; ///< of the socket, in units of 256 octets
    std::uint8_t flags = 0, duplicate = 0;
    std::uint16_t guest_window = 0, our_window = 0; ///< as in segments
    seq_number to_guest, acknowledged_by_guest;     ///< what comes next, and what the guest still may ask for
    seq_number from_guest, acknowledged_to_guest;   ///< likewise of its own octets
    seq_number guest_initial;

    [[nodiscard]] bool has(event e) const noexcept { return (events & static_cast<std::uint8_t>(e)) != 0; }
    void add(event e) noexcept { events = static_cast<std::uint8_t>(events | static_cast<std::uint8_t>(e)); }
};

/// States of a socket that matter here, as the kernel numbers them.
enum class socket_state : std::uint8_t {
    absent = 0, ///< there is no more of the connection
    established = 1,
    fin_wait_1 = 4,
    fin_wait_2 = 5,
    close_wait = 8,
    last_ack = 9,
    closing = 11,
};

/// Whether it is a state of a connection that goes on; others are of the kernel's numbers, too.
[[nodiscard]] constexpr bool goes_on(socket_state s) noexcept
{
    switch (s) {
    case socket_state::established:
    case socket_state::fin_wait_1:
    case socket_state::fin_wait_2:
    case socket_state::close_wait:
    case socket_state::last_ack:
    case socket_state::closing:
        return true;
    case socket_state::absent:
        break;
    }
    return false;
}

/// Of the options that a connection was opened with, as TCP_INFO has them.
namespace option {
inline constexpr std::uint8_t timestamps = 1, sack = 2, window_scale = 4;
/// Ours: the two numbers at which the queues begin are right whatever was ended. Upstream's count a FIN with the octets of the
/// queue that is sent, though the queue does not have it.
inline constexpr std::uint8_t exact_sequence = 0x80;
} // namespace option

/// The kernel's end of the connection; the octets of both queues follow.
struct socket_record {
    seq_number send_begin, receive_begin; ///< of the first octet in each queue
    std::uint32_t send_octets = 0, unsent = 0, receive_octets = 0;
    std::uint32_t mss = 0, timestamp = 0;
    std::uint32_t snd_wl1 = 0, snd_wnd = 0, max_window = 0, rcv_wnd = 0, rcv_wup = 0; ///< struct tcp_repair_window
    std::uint8_t send_scale = 0, receive_scale = 0;
    socket_state state = socket_state::absent;
    std::uint8_t options = 0;

    [[nodiscard]] bool peer_has_finished() const noexcept
    {
        return state == socket_state::close_wait || state == socket_state::last_ack || state == socket_state::closing;
    }
    /// A FIN is in the send queue, behind its octets.
    [[nodiscard]] bool fin_is_queued() const noexcept
    {
        return state == socket_state::fin_wait_1 || state == socket_state::last_ack || state == socket_state::closing;
    }
};

inline constexpr std::uint32_t longest_queue = std::uint32_t{64} << 20; ///< octets, in each direction

} // namespace tapioca::migrate
