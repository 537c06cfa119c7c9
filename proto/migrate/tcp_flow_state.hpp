// A TCP flow of the tap as it is given to another process: all of it but the socket, and the octets that wait in our stores.
//
// Instants are differences to the moment at which it was given. What is a guess alone is left behind, and made anew: a running
// measurement of the round trip, acknowledgments that wait, counts of duplicates.
#pragma once

#include "proto/flow/head.hpp"
#include "proto/tcp/connection.hpp"

#include <optional>

namespace tapioca::migrate {

struct tcp_flow_state {
    flow_head head;
    tcp::connection c;                     ///< its instants are not set
    std::optional<duration> retransmit_in; ///< when its timer goes off; nothing: it does not run
    std::uint32_t heard = 0, moved = 0;    ///< seconds since the guest last sent anything, and since data last moved
    std::uint16_t keep_idle = 0;           ///< seconds of silence after which the host's kernel asks the peer; 0: it does not
    bool peer_closed = false;              ///< the end of the peer's stream is in the socket
    bool shutdown_due = false;             ///< the guest's FIN waits behind `to_socket`
    bool lingering = false;                ///< the connection is over, but not all of the guest's octets have been sent
    bool aborted = false;                  ///< by the guest: a reset follows what the peer is still to have
    bool broken = false;                   ///< the socket's connection has ended in an error
    bool unanswered = false;               ///< a peer's: the guest has not answered our SYN
    bool error_queue = false;              ///< IP_RECVERR is set
    bool peek_offset = false;              ///< what is in flight stays in the socket (SO_PEEK_OFF), and is not in `to_guest`
    bool keeps_place = false;              ///< the offset is set
    bool urgent = false;                   ///< the peer sends urgent data
    std::uint32_t to_socket = 0;           ///< octets in order that were acknowledged to the guest, and the socket has not taken
    std::uint32_t to_guest = 0;            ///< octets from snd_una on that were taken out of the socket
};

/// The connection's part, at that moment.
[[nodiscard]] tcp_flow_state state_of(const flow_head& head, const tcp::connection& c, instant now) noexcept;
/// The connection as it goes on from now.
[[nodiscard]] tcp::connection restored(const tcp_flow_state& s, instant now) noexcept;

inline constexpr std::size_t tcp_record_octets = 124;
inline constexpr std::uint32_t most_to_socket = 1U << 20, most_to_guest = 4U << 20;

/// tcp_record_octets of it (doc/take_over.md).
void write(writer& to, const tcp_flow_state& s) noexcept;
/// Refuses what no connection of ours can be: bad_length, bad_type or zero_port.
[[nodiscard]] parsed<tcp_flow_state> read_tcp_flow(reader& from) noexcept;

} // namespace tapioca::migrate
