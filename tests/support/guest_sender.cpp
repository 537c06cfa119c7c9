// The guest's connection as a sender: window, congestion window, retransmission, probes.

#include "tests/support/guest_model.hpp"

#include <algorithm>

namespace tapioca::test {

using namespace std::chrono_literals;

namespace {

constexpr int most_timeouts = 15;
constexpr int most_syns = 6;

} // namespace

/// Place in its own stream of snd_una: octets that the peer has acknowledged.
std::uint64_t guest_tcp::acknowledged() const
{
    if (snd_una == iss_)
        return 0;
    const auto behind = end_of_data() - snd_una; // -1 once the FIN is acknowledged
    return behind < 0 ? to_send_ : to_send_ - static_cast<std::uint64_t>(behind);
}

void guest_tcp::write(std::uint64_t octets, instant now)
{
    to_send_ += octets;
    push(now);
}

void guest_tcp::finish(instant now)
{
    finish_ = true;
    push(now);
}

void guest_tcp::write_and_finish(std::uint64_t octets, instant now)
{
    finish_ = true;
    write(octets, now);
}

void guest_tcp::abort(instant)
{
    send(wire::tcp_rst | wire::tcp_ack, snd_nxt);
    at = stage::reset;
    retransmit_at = ack_at = instant::max();
}

/// False: the segment is not to be looked at further.
bool guest_tcp::take_ack(const wire::tcp_segment& s, instant now)
{
    if (!s.has(wire::tcp_ack))
        return false;
    if (s.ack > snd_max) {
        complain("an acknowledgement of what was never sent");
        return false;
    }
    if (s.ack < snd_una)
        return true;
    const auto edge = s.ack + (std::uint32_t{s.window} << their_scale_);
    const bool news = edge > snd_una + snd_wnd;
    const auto best = news ? edge : snd_una + snd_wnd;
    if (s.ack > snd_una)
        on_new_ack(s.ack, now);
    else if (!news && s.payload.empty() && !s.has(wire::tcp_fin) && snd_una < snd_max)
        on_duplicate_ack(now);
    snd_wnd = static_cast<std::uint32_t>(std::max(best - snd_una, 0));
    if (news && snd_una == snd_max)
        retransmit_at = instant::max(); // no need to probe
    return true;
}

void guest_tcp::on_new_ack(seq_number ack, instant now)
{
    const auto count = static_cast<std::uint32_t>(ack - snd_una);
    snd_una = ack;
    fin_acked = finished_sending && ack == end_of_data() + 1;
    if (snd_nxt < snd_una)
        snd_nxt = snd_una;
    if (timed_at_ != instant{} && timed_ <= ack) {
        const auto r = now - timed_at_;
        timed_at_ = {};
        rttvar_ = srtt_ == duration{} ? r / 2 : rttvar_ * 3 / 4 + (srtt_ > r ? srtt_ - r : r - srtt_) / 4;
        srtt_ = srtt_ == duration{} ? r : srtt_ * 7 / 8 + r / 8;
    }
    rto_ = srtt_ == duration{} ? duration{1s} : std::max<duration>(200ms, srtt_ + 4 * rttvar_); // no backoff outlives progress
    timeouts_ = 0;
    duplicates_ = 0;
    if (recovering_ && snd_una < recover_) { // RFC 6582: the next hole
        const auto missing = std::min<std::int32_t>(std::min(end_of_data(), snd_max) - snd_una, options_.mss);
        if (missing > 0)
            send_data(snd_una, static_cast<std::uint32_t>(missing), now);
    } else if (recovering_) {
        recovering_ = false;
        cwnd_ = ssthresh_;
    } else if (cwnd_ < ssthresh_) {
        cwnd_ += count;
    } else {
        cwnd_ += std::max(1U, std::uint32_t{options_.mss} * options_.mss / cwnd_);
    }
    if (snd_una == snd_max)
        retransmit_at = instant::max();
    else
        restart_timer(now);
}

void guest_tcp::on_duplicate_ack(instant now)
{
    ++duplicate_acks_received;
    if (recovering_) {
        cwnd_ += options_.mss;
        return;
    }
    if (++duplicates_ != 3)
        return;
    recovering_ = true;
    recover_ = snd_max;
    ssthresh_ = std::max(static_cast<std::uint32_t>(snd_max - snd_una) / 2, 2U * options_.mss);
    cwnd_ = ssthresh_ + 3U * options_.mss;
    const auto missing = std::min<std::int32_t>(std::min(end_of_data(), snd_max) - snd_una, options_.mss);
    if (missing > 0)
        send_data(snd_una, static_cast<std::uint32_t>(missing), now);
    else
        send(wire::tcp_fin | wire::tcp_ack, snd_una);
    restart_timer(now);
}

std::uint32_t guest_tcp::sendable() const
{
    const auto window = options_.congestion_window ? std::min(snd_wnd, cwnd_) : snd_wnd;
    const auto edge = snd_una + window;
    const auto last = std::min(edge, end_of_data());
    return last > snd_nxt ? static_cast<std::uint32_t>(last - snd_nxt) : 0;
}

void guest_tcp::push(instant now)
{
    if (at != stage::open)
        return;
    for (;;) {
        const auto room = std::min(sendable(), options_.send_frame);
        if (room == 0)
            break;
        const bool last = snd_nxt + room == end_of_data();
        if (room < options_.mss && !last && snd_una < snd_nxt)
            break; // RFC 9293 section 3.8.6.2.1
        send_data(snd_nxt, room, now);
        snd_nxt += room;
        if (last && finish_) {
            snd_nxt += 1;
            finished_sending = true;
        }
        snd_max = std::max(snd_max, snd_nxt);
    }
    if (finish_ && snd_nxt == end_of_data()) {
        send(wire::tcp_fin | wire::tcp_ack, snd_nxt);
        snd_nxt += 1;
        snd_max = std::max(snd_max, snd_nxt);
        finished_sending = true;
    }
    const bool waiting = snd_una < snd_max || snd_nxt < end_of_data();
    if (waiting && retransmit_at == instant::max())
        restart_timer(now);
}

void guest_tcp::send_data(seq_number from, std::uint32_t octets, instant now)
{
    if (from < snd_max) {
        ++retransmissions;
        timed_at_ = {};
    } else if (timed_at_ == instant{}) {
        timed_at_ = now;
        timed_ = from + octets;
    }
    const bool last = from + octets == end_of_data() && finish_;
    send(static_cast<octet>(wire::tcp_ack | wire::tcp_psh | (last ? wire::tcp_fin : 0)), from, octets);
}

void guest_tcp::on_timer(instant now)
{
    if (mute)
        return;
    if (now >= ack_at)
        send(wire::tcp_ack, snd_nxt);
    if (now < retransmit_at)
        return;
    retransmit_at = instant::max();
    const bool opening = at == stage::syn_sent || at == stage::syn_received;
    if (!opening && at != stage::open)
        return;
    const bool outstanding = snd_una < snd_max;
    if (!outstanding && snd_nxt == end_of_data())
        return;
    rto_ = std::min<duration>(2 * rto_, 60s);
    restart_timer(now);
    if (outstanding && ++timeouts_ > (opening ? most_syns : most_timeouts)) {
        at = stage::gave_up;
        retransmit_at = instant::max();
        return;
    }
    retransmissions += opening;
    if (opening)
        return send(at == stage::syn_sent ? wire::tcp_syn : static_cast<octet>(wire::tcp_syn | wire::tcp_ack), iss_);
    if (!outstanding) // closed window: an octet that was acknowledged already asks for an answer
        return send(wire::tcp_ack, snd_una - 1);
    ssthresh_ = std::max(static_cast<std::uint32_t>(snd_max - snd_una) / 2, 2U * options_.mss);
    cwnd_ = options_.mss;
    recovering_ = false;
    snd_nxt = snd_una;
    ++retransmissions;
    timed_at_ = {};
    if (sendable() != 0 || snd_nxt == end_of_data())
        push(now);
    else
        send(wire::tcp_ack, snd_una - 1);
}

} // namespace tapioca::test
