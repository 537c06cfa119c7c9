// One TCP connection as the translator sees it: our end towards the guest, standing for a socket of the host.
//
// This is not a TCP stack. Towards the guest the socket's own receive queue is the retransmission store: data is peeked and sent,
// and leaves the socket when the guest acknowledges it; `rewind` moves back to what is not acknowledged. From the guest, whatever
// lies inside the advertised window is kept, by the socket or by the receive store, and acknowledged at once. Segments and events
// go in, effects come out; nothing here knows of sockets, frames or clocks. Names are those of RFC 9293 section 3.3.1; read it
// with RFC 5961 (blind attacks), RFC 6298 (timer), RFC 5681 and RFC 5827 (fast and early retransmit).
//
// The states are those of RFC 9293 section 3.3.2, from our end; `connecting` stands for LISTEN while the host's socket connects.
// There is no TIME-WAIT: a guest that misses our last ACK sends its FIN again and gets a reset, which ends the same wait.
#pragma once

#include "proto/base/sequence.hpp"
#include "proto/base/time.hpp"
#include "proto/tcp/challenge.hpp"
#include "proto/tcp/delayed_ack.hpp"
#include "proto/tcp/effects.hpp"
#include "proto/tcp/retransmit.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>

namespace tapioca::tcp {

enum class tcp_state : std::uint8_t {
    closed,
    connecting,   ///< the guest's SYN is here, the host's socket is not connected yet
    syn_sent,     ///< a peer connected, our SYN is on its way to the guest
    syn_received, ///< our SYN-ACK is on its way to the guest
    established,
    fin_wait_1,
    fin_wait_2,
    closing,
    close_wait,
    last_ack,
};

/// A segment from the guest without its octets.
struct segment {
    seq_number seq, ack;
    std::uint16_t window = 0; ///< as on the wire, not scaled
    bool syn = false, fin = false, rst = false, has_ack = false;
    std::uint32_t length = 0; ///< payload octets
    std::uint16_t mss = 0;    ///< 0: no such option
    std::int8_t scale = -1;   ///< -1: no such option
};

/// What became of a segment. `skip` and `take` cut the octets to keep out of the payload; `gap` is how far behind rcv_nxt they
/// begin: 0 for octets in order, which rcv_nxt then already counts.
struct outcome {
    effects what;
    std::uint32_t acked = 0; ///< payload octets that the guest acknowledged: to be discarded from the socket
    std::uint32_t skip = 0, take = 0, gap = 0;
    seq_number refused{}; ///< with refuse_ack: where the reset belongs
};

inline constexpr std::uint16_t default_mss = 536; ///< RFC 9293 section 3.7.1
inline constexpr std::uint8_t our_window_scale = 8;
inline constexpr std::uint32_t initial_window = 65535; ///< in a SYN
inline constexpr std::uint32_t initial_limit = 65536;  ///< a power of two, and a whole number of window units
inline constexpr int most_syn_retransmissions = 7;

struct connection {
    // send sequence space: towards the guest
    seq_number iss, snd_una, snd_nxt, snd_max; ///< snd_max: the highest snd_nxt ever; below it after a rewind
    seq_number snd_wl1, snd_wl2;
    std::uint32_t snd_wnd = 0;
    std::uint32_t max_snd_wnd = 0; ///< RFC 5961 section 5.2: the largest that the guest ever offered
    // receive sequence space: from the guest
    seq_number irs, rcv_nxt, rcv_adv; ///< rcv_adv: the right edge that was advertised; it never moves back

    seq_number recover;                                 ///< snd_max when repetition last began (RFC 6582); else below snd_una
    seq_number rtt_seq;                                 ///< acknowledging this ends the running measurement
    short_instant<std::chrono::microseconds> rtt_start; ///< none: no measurement is running
    short_instant<std::chrono::milliseconds> retransmit_at;
    retransmit_timeout rto;
    delayed_ack ack_delay;

    std::uint16_t mss = default_mss; ///< largest payload towards the guest
    std::uint16_t echoes = 0;        ///< ACKs that may still come for segments below `recover`, duplicates or not
    std::uint16_t rcv_limit_bits : 5 = std::countr_zero(initial_limit);
    std::uint16_t snd_scale : 4 = 0; ///< shift of the guest's window field
    std::uint16_t rcv_scale : 4 = 0; ///< shift of ours: 0 unless the guest offered scaling
    challenge_limit challenges;
    tcp_state state = tcp_state::closed;
    std::uint8_t retries = 0;
    std::uint8_t duplicates = 0; ///< duplicate ACKs seen in a row
    bool fin_sent : 1 = false;
    bool gap_reported : 1 = false;
    bool probing : 1 = false; ///< the next octet is a zero-window probe
    bool blocked : 1 = false; ///< the socket has data, the window has no room
    bool syn_repeated : 1 = false;

    /// How much may wait in the receive store.
    [[nodiscard]] std::uint32_t rcv_limit() const noexcept { return 1U << rcv_limit_bits; }

    // ── opening ──
    /// A guest's SYN; `largest_mss` bounds what is sent back. The socket connects meanwhile.
    void open_from_guest(const segment& syn, seq_number our_iss, std::uint16_t largest_mss) noexcept;
    /// The host's socket is connected.
    [[nodiscard]] effects on_connected(instant now) noexcept;
    /// A peer connected to a socket of the host: the guest must be asked.
    [[nodiscard]] effects open_to_guest(seq_number our_iss, std::uint16_t largest_mss, instant now) noexcept;

    // ── from the guest ──
    [[nodiscard]] outcome on_segment(const segment& s, instant now) noexcept;
    /// An ICMP error says that a segment of ours, with the number `quoted`, did not get through.
    [[nodiscard]] effects on_unreachable(seq_number quoted) noexcept;
    /// Segments with more than `largest` octets do not get through.
    [[nodiscard]] effects on_narrow_path(std::uint16_t largest) noexcept;
    /// The store closed a gap: `octets` beyond rcv_nxt are in order now.
    void on_gap_filled(std::uint32_t octets) noexcept;
    /// The last `octets` that were taken in order could not be kept after all.
    void retract(std::uint32_t octets) noexcept { rcv_nxt = rcv_nxt - octets; }

    // ── from the socket ──
    /// Octets that may be sent to the guest now.
    [[nodiscard]] std::uint32_t send_window() const noexcept;
    void on_sent(std::uint32_t octets, instant now) noexcept;
    /// The socket has data but send_window() is 0.
    void on_blocked(instant now) noexcept;
    /// The socket has delivered its last octet and that was sent.
    [[nodiscard]] effects on_eof(instant now) noexcept;
    /// A FIN that was sent is due again, as everything before it has been repeated.
    [[nodiscard]] bool fin_is_next() const noexcept { return fin_sent && snd_nxt + 1 == snd_max; }

    /// The number of a segment without octets: the highest that was sent, also while octets before it are being repeated, but not
    /// beyond the guest's window, where nothing is acceptable (RFC 9293 section 3.10.7.4, first).
    [[nodiscard]] seq_number control_seq() const noexcept
    {
        return snd_una == iss ? snd_max : std::min(snd_max, snd_una + snd_wnd);
    }

    // ── time ──
    /// When on_timeout has something to do.
    [[nodiscard]] instant next_timeout(instant now) const noexcept { return std::min(retransmit_at.at(now), ack_delay.due(now)); }
    [[nodiscard]] effects on_timeout(instant now, const retry_policy& policy = {}) noexcept;
    /// The way to the guest is full, and what waits there is not lost. True if a retransmission is due: it waits for on_room(),
    /// and is not counted.
    [[nodiscard]] bool on_no_room(instant now) noexcept;
    void on_room(instant now) noexcept;

    /// The window field of the next segment, which acknowledges rcv_nxt, with `stored` octets in the receive store; moves
    /// rcv_adv.
    [[nodiscard]] std::uint16_t advertise(std::uint32_t stored) noexcept;
    /// Whether the window that could be offered has grown enough over the one last offered to be worth an ACK of its own.
    [[nodiscard]] bool window_update_due(std::uint32_t stored) const noexcept;

    /// Octets that were sent and are not acknowledged, as far as they are not to be sent again; with the FIN.
    [[nodiscard]] std::uint32_t in_flight() const noexcept { return static_cast<std::uint32_t>(snd_nxt - snd_una); }
    [[nodiscard]] bool synchronized() const noexcept { return state >= tcp_state::established; }
    /// Its SYN is here.
    [[nodiscard]] bool knows_guest() const noexcept { return rcv_nxt != irs; }
    [[nodiscard]] bool guest_finished() const noexcept
    {
        return state == tcp_state::close_wait || state == tcp_state::last_ack || state == tcp_state::closing ||
               state == tcp_state::closed;
    }

private:
    void take_options(const segment& syn, std::uint16_t largest_mss) noexcept;
    outcome in_connecting(const segment& s) noexcept;
    outcome in_syn_sent(const segment& s, instant now) noexcept;
    outcome in_syn_received(const segment& s, instant now) noexcept;
    outcome in_synchronized(const segment& s, instant now) noexcept;
    outcome on_reset(const segment& s, instant now) noexcept;
    static outcome refuse(const segment& s) noexcept;
    outcome challenge(instant now) noexcept;
    [[nodiscard]] bool is_outside_window(const segment& s) const noexcept;
    [[nodiscard]] bool offers_window() const noexcept { return (rcv_adv - rcv_nxt) >> rcv_scale > 0; }
    outcome on_outside_window(const segment& s, instant now) noexcept;
    void take_window(std::uint32_t window) noexcept;
    void on_ack(const segment& s, instant now, outcome& out) noexcept;
    void on_new_ack(const segment& s, instant now, outcome& out) noexcept;
    void on_duplicate_ack(const segment& s, outcome& out) noexcept;
    void on_fin_acked(outcome& out) noexcept;
    void on_payload(const segment& s, instant now, outcome& out) noexcept;
    [[nodiscard]] bool ack_waits(const segment& s, const outcome& out, instant now) noexcept;
    void on_fin(outcome& out) noexcept;
    void begin_rewind() noexcept;
    void expect_echoes(std::uint32_t octets) noexcept;
    void restart_timer(instant now) noexcept;
    [[nodiscard]] bool awaits_guest() const noexcept;
    effects on_retransmit_timeout(instant now, const retry_policy& policy) noexcept;
    effects on_syn_timeout(instant now, const retry_policy& policy) noexcept;
};

} // namespace tapioca::tcp
