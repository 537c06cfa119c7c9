// The guest's TCP: a small endpoint that does what the common ones do (RFC 9293, RFC 6298, RFC 5681, RFC 6582), without SACK. It
// sends and expects octets of a stream_pattern, so it keeps none, and it complains of whatever a correct peer would not have
// sent.
#pragma once

#include "proto/base/sequence.hpp"
#include "proto/base/time.hpp"
#include "proto/flow/key.hpp"
#include "proto/frame/emit.hpp"
#include "proto/wire/tcp.hpp"
#include "tests/support/memory_tap.hpp"
#include "tests/support/stream_pattern.hpp"

#include <map>
#include <string>
#include <vector>

namespace tapioca::test {

struct guest_options {
    std::uint16_t mss = 1460;
    int scale = 7; ///< window scale offered; -1: none
    std::uint32_t receive_buffer = 256 << 10;
    std::uint32_t send_frame = 1460; ///< octets a frame: more than the segment size stands for segmentation offload
    std::uint32_t iss = 1'000'000;
    bool delayed_acks = false;
    bool congestion_window = true;
};

class guest_tcp {
public:
    enum class stage : std::uint8_t { closed, listening, syn_sent, syn_received, open, reset, gave_up };

    guest_tcp(const flow_key& key, const link_ends& link, const guest_options& options, std::uint64_t seed);

    // ── the application ──
    void connect(instant now);
    void listen() { at = stage::listening; }
    void say_first(bytes_view octets) { ours_.begin_with(octets); } ///< before anything was sent: how its stream begins
    void write(std::uint64_t octets, instant now);                  ///< so many more of its stream
    void finish(instant now);                                       ///< a FIN behind them
    void write_and_finish(std::uint64_t octets, instant now);       ///< the FIN stands in the segment of the last octets
    void abort(instant now);                                        ///< a RST
    void read(std::uint64_t octets, instant now); ///< takes from the receive buffer, if it does not read by itself

    bool reads_by_itself = true;
    bool out_of_memory = false; ///< throws away data and offers no window
    bool mute = false;          ///< neither hears nor speaks: the guest is gone

    // ── the network ──
    void receive(const wire::tcp_segment& s, instant now);
    void on_timer(instant now);
    [[nodiscard]] instant next() const { return mute ? instant::max() : std::min(retransmit_at, ack_at); }
    /// Sends one segment of the test's making; sequence numbers default to the current ones.
    struct forged {
        octet flags = wire::tcp_ack;
        std::int64_t seq_offset = 0, ack_offset = 0; ///< from snd_nxt and rcv_nxt
        std::uint32_t payload = 0;
    };
    void forge(const forged& f);
    std::vector<memory_frame> output; ///< taken by the link

    // ── what can be observed ──
    stage at = stage::closed;
    seq_number snd_una, snd_nxt, snd_max, rcv_nxt;
    std::uint32_t snd_wnd = 0;
    std::uint64_t taken = 0; ///< octets of the peer's stream that the application has
    bool finished_sending = false, fin_acked = false, fin_received = false;
    std::uint64_t retransmissions = 0, duplicates_received = 0, duplicate_acks_received = 0, segments_received = 0,
                  challenges = 0, unacceptable_received = 0;
    std::vector<std::string> complaints;
    [[nodiscard]] const flow_key& key() const { return key_; }
    [[nodiscard]] std::uint64_t received() const { return received_; }
    [[nodiscard]] std::uint64_t written() const { return to_send_; }
    [[nodiscard]] std::uint64_t acknowledged() const;
    [[nodiscard]] bool all_acknowledged() const { return acknowledged() == to_send_ && (!finish_ || fin_acked); }
    [[nodiscard]] std::uint32_t offered_window() const;
    [[nodiscard]] std::uint16_t their_mss() const { return mss_; }

    instant retransmit_at = instant::max(), ack_at = instant::max();

private:
    void refuse(const wire::tcp_segment& s);
    void in_syn_sent(const wire::tcp_segment& s, instant now);
    void take_options(const wire::tcp_segment& s);
    void take_reset(const wire::tcp_segment& s);
    bool take_ack(const wire::tcp_segment& s, instant now);
    void on_new_ack(seq_number ack, instant now);
    void on_duplicate_ack(instant now);
    void take_payload(const wire::tcp_segment& s, instant now);
    void take_in_order(std::uint64_t from, std::uint64_t to);
    void acknowledge(bool at_once, instant now);
    void push(instant now);
    [[nodiscard]] std::uint32_t sendable() const;
    void send_data(seq_number from, std::uint32_t octets, instant now);
    void send(octet flags, seq_number seq, std::uint32_t payload = 0);
    void restart_timer(instant now) { retransmit_at = now + rto_; }
    [[nodiscard]] seq_number end_of_data() const { return iss_ + 1 + static_cast<std::uint32_t>(to_send_); }
    void complain(std::string what) { complaints.push_back(std::move(what)); }

    flow_key key_;
    link_ends link_;
    guest_options options_;
    stream_pattern ours_, theirs_;
    seq_number iss_, irs_, recover_;
    std::uint16_t mss_ = 536;
    int their_scale_ = 0, our_scale_ = 0;
    std::uint64_t to_send_ = 0;
    bool passive_ = false, finish_ = false, recovering_ = false, their_fin_known_ = false;
    int duplicates_ = 0, timeouts_ = 0;
    std::uint32_t cwnd_ = 0, ssthresh_ = 1U << 30;
    duration rto_ = std::chrono::seconds{1}, srtt_{}, rttvar_{};
    instant timed_at_{}, quiet_until_{};
    seq_number timed_;
    std::uint64_t received_ = 0, fin_place_ = 0; ///< of the peer's stream, in order
    std::map<std::uint64_t, std::uint64_t> behind_;
    seq_number edge_; ///< right edge of the window that was offered
    std::uint32_t unacknowledged_ = 0;
};

} // namespace tapioca::test
