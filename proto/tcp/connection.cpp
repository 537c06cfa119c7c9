#include "proto/tcp/connection.hpp"

#include <algorithm>

namespace tapioca::tcp {

using enum tcp_state;

// ── opening ──

void connection::take_options(const segment& syn, std::uint16_t largest_mss) noexcept
{
    mss = std::min(syn.mss == 0 ? default_mss : std::max<std::uint16_t>(syn.mss, 48), largest_mss);
    if (syn.scale >= 0) {
        snd_scale = static_cast<unsigned>(std::min<int>(syn.scale, 14)) & 0xfU; // RFC 7323 section 2.3
        rcv_scale = our_window_scale;
    }
    take_window(syn.window); // RFC 7323 section 2.2: never scaled in a SYN
    snd_wl1 = syn.seq;
    irs = syn.seq;
    rcv_nxt = syn.seq + 1;
    rcv_adv = rcv_nxt + initial_window;
}

void connection::take_window(std::uint32_t window) noexcept
{
    snd_wnd = window;
    max_snd_wnd = std::max(max_snd_wnd, window);
}

void connection::open_from_guest(const segment& syn, seq_number our_iss, std::uint16_t largest_mss) noexcept
{
    take_options(syn, largest_mss);
    iss = recover = snd_una = snd_nxt = snd_max = snd_wl2 = our_iss;
    state = connecting;
}

effects connection::on_connected(instant now) noexcept
{
    if (state != connecting)
        return {};
    state = syn_received;
    snd_nxt = snd_max = iss + 1;
    restart_timer(now);
    return effect::send_syn_ack;
}

effects connection::open_to_guest(seq_number our_iss, std::uint16_t largest_mss, instant now) noexcept
{
    iss = recover = snd_una = our_iss;
    snd_nxt = snd_max = iss + 1;
    mss = largest_mss;
    state = syn_sent;
    restart_timer(now);
    return effect::send_syn;
}

// ── from the guest ──

outcome connection::on_segment(const segment& s, instant now) noexcept
{
    switch (state) {
    case closed: // only the socket has still to take what the guest sent; its FIN came again as our last ACK was lost
        return s.rst || (s.length == 0 && !s.fin) ? outcome{} : challenge(now);
    case connecting:
        return in_connecting(s);
    case syn_sent:
        return in_syn_sent(s, now);
    case syn_received:
        return in_syn_received(s, now);
    case established:
    case fin_wait_1:
    case fin_wait_2:
    case closing:
    case close_wait:
    case last_ack:
        return in_synchronized(s, now);
    }
    return {};
}

outcome connection::in_connecting(const segment& s) noexcept
{
    if (s.rst && (s.seq == rcv_nxt || s.seq == irs)) {
        state = closed;
        return {effect::reset_socket | effect::close_flow};
    }
    if (s.syn && !s.has_ack && s.seq != irs) // nothing was answered yet: a newer attempt of the guest replaces the older
        take_options(s, mss);
    return {};
}

outcome connection::in_syn_sent(const segment& s, instant now) noexcept
{
    // RFC 9293 section 3.10.7.3
    if (s.has_ack && s.ack != snd_nxt)
        return s.rst ? outcome{} : refuse(s);
    if (s.rst) {
        if (!s.has_ack)
            return {};
        state = closed;
        return {effect::reset_socket | effect::close_flow};
    }
    if (!s.syn)
        return {};
    take_options(s, mss);
    if (!s.has_ack) { // simultaneous open
        state = syn_received;
        restart_timer(now);
        return {effect::send_syn_ack};
    }
    snd_una = snd_wl2 = s.ack;
    state = established;
    retries = 0;
    retransmit_at = {};
    rto.set(syn_repeated ? retransmit_timeout::after_lost_syn : retransmit_timeout::initial);
    return {effect::send_ack | effect::read_socket | effect::connected};
}

outcome connection::in_syn_received(const segment& s, instant now) noexcept
{
    if (s.rst)
        return on_reset(s, now);
    if (s.syn && (s.seq != irs || !s.has_ack)) {
        auto out = challenge(now);
        if (s.seq == irs && out.what.has(effect::send_ack)) // our SYN-ACK was lost
            out.what = effect::send_syn_ack;
        return out;
    }
    if (!s.has_ack)
        return {};
    if (!s.syn && is_outside_window(s))
        return on_outside_window(s, now);
    if (s.ack != snd_nxt) // RFC 9293 section 3.10.7.4, fifth
        return refuse(s);
    snd_una = snd_wl2 = s.ack;
    snd_wl1 = s.seq;
    take_window(s.syn ? s.window : std::uint32_t{s.window} << snd_scale);
    state = established;
    retries = 0;
    retransmit_at = {};
    rto.set(syn_repeated ? retransmit_timeout::after_lost_syn : retransmit_timeout::initial);
    outcome out;
    if (s.syn) // the second half of a simultaneous open
        out.what = effect::send_ack;
    else
        out = in_synchronized(s, now);
    out.what |= effect::read_socket | effect::connected;
    return out;
}

outcome connection::refuse(const segment& s) noexcept
{
    outcome out{effect::refuse_ack};
    out.refused = s.ack;
    return out;
}

/// RFC 5961 section 7: an ACK that a forger cannot see, and that the real guest answers with what sets things right.
outcome connection::challenge(instant now) noexcept
{
    return {challenges.allow(now) ? effect::send_ack | effect::challenged : effect::withheld};
}

/// RFC 9293 section 3.10.7.4, first; a segment that ends at rcv_nxt is taken, as its ACK may be news.
bool connection::is_outside_window(const segment& s) const noexcept
{
    return s.seq + s.length + (s.fin ? 1U : 0U) < rcv_nxt || s.seq > rcv_adv;
}

/// Nothing in it counts. What came before may have to be acknowledged again, as the first ACK may be lost: that has no limit, but
/// is done once a turn.
outcome connection::on_outside_window(const segment& s, instant now) noexcept
{
    if (s.seq < rcv_nxt && (s.length != 0 || s.fin))
        return {effect::send_ack};
    auto out = challenge(now);
    if (s.seq + 1 == rcv_nxt && offers_window()) // else it asks for the window
        out.what |= effect::keep_alive;
    return out;
}

outcome connection::on_reset(const segment& s, instant now) noexcept
{
    if (s.seq == rcv_nxt) { // RFC 5961 section 3.2
        // RFC 9293 section 3.10.7.4, second: with the guest's FIN and ours exchanged the peer has nothing to learn
        const bool over = state == closing || state == last_ack;
        state = closed;
        return {over ? effect::close_flow : effect::reset_socket | effect::close_flow};
    }
    // A guest that has filled the window, and lost some of that on the way, resets at its edge.
    return s.seq > rcv_nxt && s.seq <= rcv_adv ? challenge(now) : outcome{};
}

outcome connection::in_synchronized(const segment& s, instant now) noexcept
{
    if (s.rst)
        return on_reset(s, now);
    if (s.syn)
        return challenge(now); // RFC 5961 section 4.2
    if (!s.has_ack)
        return {};
    if (s.ack > snd_max || s.ack < snd_una - max_snd_wnd)
        return challenge(now); // RFC 5961 section 5.2
    if (is_outside_window(s))
        return on_outside_window(s, now);
    outcome out;
    on_ack(s, now, out);
    if (state != closed)
        on_payload(s, now, out);
    return out;
}

void connection::on_ack(const segment& s, instant now, outcome& out) noexcept
{
    const auto window = std::uint32_t{s.window} << snd_scale;
    const bool same_window = window == snd_wnd;
    if (s.ack > snd_una)
        out.what |= effect::read_socket;
    // RFC 9293 section 3.10.7.4: a window is taken from the newest segment only, or from one that acknowledges more: counted from
    // there, the old window would reach too far.
    if (s.ack > snd_una || snd_wl1 < s.seq || (snd_wl1 == s.seq && snd_wl2 <= s.ack)) {
        if (window > snd_wnd)
            out.what |= effect::read_socket;
        take_window(window);
        snd_wl1 = std::max(snd_wl1, s.seq);
        snd_wl2 = s.ack;
        if (window != 0 && probing) {
            probing = false;
            rto.restart();
            restart_timer(now);
            if (snd_una < snd_nxt) { // the probe may have been refused
                begin_rewind();
                out.what |= effect::rewind;
            }
        }
        if (window == 0)
            retries = 0; // the guest lives and answers probes: RFC 9293 section 3.8.6.1
    }
    if (s.ack > snd_una)
        on_new_ack(s, now, out);
    else if (s.ack == snd_una && s.length == 0 && !s.fin && same_window && snd_una < snd_max && snd_wnd != 0)
        on_duplicate_ack(s, out);

    if (snd_wnd == 0 && snd_una < snd_nxt && !probing) {
        // A guest short of memory closes the window over octets it has thrown away: send them again once it opens, without a
        // timeout.
        begin_rewind();
        out.what |= effect::rewind;
    }
    if (out.what.has(effect::read_socket))
        blocked = false;
}

void connection::on_new_ack(const segment& s, instant now, outcome& out) noexcept
{
    auto octets = static_cast<std::uint32_t>(s.ack - snd_una);
    const bool fin_acked = fin_sent && s.ack == snd_max;
    if (fin_acked)
        --octets;
    out.acked = octets;
    snd_una = s.ack;
    if (snd_nxt < snd_una)
        snd_nxt = snd_una;
    if (rtt_start.is_set() && rtt_seq <= s.ack) {
        rto.sample(now - rtt_start.at(now));
        rtt_start = {};
    }
    if (snd_una > recover) {   // what was sent behind the repetitions has arrived, so they have
        recover = snd_una - 1; // within reach, as numbers wrap
        echoes = 0;
    } else if (echoes != 0) {
        --echoes;
    }
    duplicates = 0;
    if (retries != 0)
        rto.restart(); // octets were acknowledged: the way is open, whether or not they could be timed
    retries = 0;
    probing = false;
    if (snd_una == snd_max)
        retransmit_at = {};
    else
        restart_timer(now);
    if (fin_acked)
        on_fin_acked(out);
}

void connection::on_duplicate_ack(const segment&, outcome& out) noexcept
{
    // What is sent again makes duplicates by itself, and would without end if those began it anew. RFC 6582 section 3.2, step 1,
    // heeds none until snd_una is beyond `recover`; here as many are left out as there can be, so that a loss among what came
    // behind needs no timeout.
    if (echoes != 0) {
        --echoes;
        return;
    }
    // RFC 5681 section 3.2; RFC 5827 section 3.2: with few segments outstanding fewer duplicates can arrive
    const auto outstanding = (static_cast<std::uint32_t>(snd_max - snd_una) + mss - 1) / mss;
    const auto threshold = std::clamp<std::uint32_t>(outstanding - 1, 1, 3);
    if (duplicates < 255)
        ++duplicates;
    if (duplicates < threshold)
        return;
    begin_rewind();
    blocked = false;
    out.what |= effect::rewind | effect::read_socket;
}

void connection::on_fin_acked(outcome& out) noexcept
{
    switch (state) {
    case fin_wait_1:
        state = fin_wait_2;
        break;
    case closing:
    case last_ack:
        state = closed;
        out.what |= effect::close_flow;
        break;
    case closed:
    case connecting:
    case syn_sent:
    case syn_received:
    case established:
    case fin_wait_2:
    case close_wait:
        break;
    }
}

void connection::on_payload(const segment& s, instant now, outcome& out) noexcept
{
    const auto end = s.seq + s.length;
    if (s.length == 0 && !s.fin) {
        if (s.seq != rcv_nxt) // octets are missing in between
            out.what |= challenge(now).what;
        return;
    }
    out.what |= effect::send_ack;
    if (guest_finished())
        return; // RFC 9293 section 3.10.7.4, seventh: nothing follows a FIN
    if (end < rcv_nxt || (end == rcv_nxt && !s.fin)) {
        if (s.length == 1 && end == rcv_nxt && offers_window())
            out.what |= effect::keep_alive;
        return;
    }
    const auto start = std::max(s.seq, rcv_nxt);
    const auto stop = std::min(end, rcv_adv);
    out.skip = static_cast<std::uint32_t>(start - s.seq);
    out.take = stop > start ? static_cast<std::uint32_t>(stop - start) : 0;
    out.gap = static_cast<std::uint32_t>(start - rcv_nxt);
    if (out.gap != 0) {
        if (!gap_reported && out.take != 0) {
            gap_reported = true;
            out.what.remove(effect::send_ack);
            out.what |= effect::send_duplicates;
        }
        return;
    }
    rcv_nxt += out.take;
    if (ack_waits(s, out, now))
        out.what.remove(effect::send_ack);
    gap_reported = false;
    if (s.fin && rcv_nxt == end)
        on_fin(out);
}

bool connection::ack_waits(const segment& s, const outcome& out, instant now) noexcept
{
    const bool plain = !s.fin && !gap_reported && out.take == s.length && s.length < mss;
    if (!plain)
        ack_delay.on_other();
    return plain && ack_delay.on_payload(now);
}

void connection::on_fin(outcome& out) noexcept
{
    rcv_nxt += 1;
    out.what |= effect::shutdown_write;
    switch (state) { // RFC 9293 section 3.10.7.4, eighth
    case established:
        state = close_wait;
        break;
    case fin_wait_1:
        state = closing;
        break;
    case fin_wait_2:
        state = closed;
        out.what |= effect::close_flow;
        break;
    case closed:
    case connecting:
    case syn_sent:
    case syn_received:
    case closing:
    case close_wait:
    case last_ack:
        break;
    }
}

effects connection::on_unreachable(seq_number quoted) noexcept
{
    // Nobody has answered our SYN yet, so there is nothing to wait for (RFC 5461 section 4.1); a connection that stands outlives
    // errors on its path (RFC 1122 section 4.2.3.9, RFC 5927 section 5.2). The number must be one on its way (section 4.1).
    if (state != syn_sent || quoted != iss)
        return {};
    state = closed;
    return effect::reset_socket | effect::close_flow;
}

effects connection::on_narrow_path(std::uint16_t largest) noexcept
{
    if (largest >= mss) // it is known, and what is on its way now fits
        return {};
    mss = largest;
    if (!synchronized() || snd_una == snd_nxt)
        return {};
    blocked = false;
    begin_rewind();
    return effect::rewind | effect::read_socket;
}

void connection::on_gap_filled(std::uint32_t octets) noexcept
{
    rcv_nxt += octets;
    if (rcv_adv < rcv_nxt)
        rcv_adv = rcv_nxt;
}

// ── from the socket ──

std::uint32_t connection::send_window() const noexcept
{
    if (!synchronized())
        return 0;
    auto window = snd_wnd == 0 && probing ? 1 : snd_wnd;
    if (retries > 1) // nobody seems to listen: RFC 5681 section 3.1, the loss window, until something is acknowledged
        window = std::min<std::uint32_t>(window, mss);
    auto edge = snd_una + window;
    if (fin_sent)
        edge = std::min(edge, snd_max - 1);
    return edge > snd_nxt ? static_cast<std::uint32_t>(edge - snd_nxt) : 0;
}

void connection::on_sent(std::uint32_t octets, instant now) noexcept
{
    const bool first = snd_una == snd_max;
    ack_delay.on_answer(now);
    if (snd_nxt < snd_max)
        expect_echoes(std::min(octets, static_cast<std::uint32_t>(snd_max - snd_nxt)));
    snd_nxt += octets;
    if (snd_nxt > snd_max) {
        snd_max = snd_nxt;
        if (!rtt_start.is_set()) {
            rtt_seq = snd_nxt;
            rtt_start = now;
        }
    }
    if (first || !retransmit_at.is_set())
        restart_timer(now);
}

void connection::on_blocked(instant now) noexcept
{
    blocked = true;
    if (snd_una == snd_max && !retransmit_at.is_set())
        restart_timer(now);
}

effects connection::on_eof(instant now) noexcept
{
    if (!synchronized() || (fin_sent && !fin_is_next()))
        return {};
    if (!fin_sent) {
        fin_sent = true;
        state = state == close_wait ? last_ack : fin_wait_1;
        snd_max = snd_nxt + 1;
    }
    snd_nxt = snd_max;
    if (!retransmit_at.is_set())
        restart_timer(now);
    return effect::send_fin;
}

// ── time ──

void connection::restart_timer(instant now) noexcept { retransmit_at = now + rto.value(); }

/// One for each segment at most.
void connection::expect_echoes(std::uint32_t octets) noexcept
{
    echoes = static_cast<std::uint16_t>(std::min(echoes + (octets + mss - 1) / mss, 0xffffU));
}

void connection::begin_rewind() noexcept
{
    if (const auto uncounted = snd_nxt - std::max(snd_una, recover); uncounted > 0)
        expect_echoes(static_cast<std::uint32_t>(uncounted));
    echoes -= std::min<std::uint16_t>(echoes, duplicates); // these came already
    recover = snd_max;
    snd_nxt = snd_una;
    rtt_start = {}; // Karn's algorithm: RFC 6298 section 3
    duplicates = 0;
}

/// For an ACK, or for a window that opens.
bool connection::awaits_guest() const noexcept { return snd_una != snd_max || (blocked && snd_wnd == 0); }

bool connection::on_no_room(instant now) noexcept
{
    if (!synchronized() || now < retransmit_at.at(now))
        return false;
    retransmit_at = {};
    return true;
}

void connection::on_room(instant now) noexcept
{
    if (synchronized() && !retransmit_at.is_set() && awaits_guest())
        restart_timer(now);
}

effects connection::on_syn_timeout(instant now, const retry_policy& policy) noexcept
{
    // With the usual policy a SYN goes out at 0, 1, 2, 3, 4, 5, 7 and 11 s, and the attempt ends at 19 s.
    syn_repeated = true;
    if (++retries > std::min(most_syn_retransmissions, policy.syn_retries + policy.syn_linear_timeouts)) {
        state = closed;
        return effect::reset_socket | effect::close_flow;
    }
    if (retries > policy.syn_linear_timeouts)
        rto.back_off(policy.rto_max);
    restart_timer(now);
    return state == syn_sent ? effect::send_syn : effect::send_syn_ack;
}

effects connection::on_timeout(instant now, const retry_policy& policy) noexcept
{
    effects what;
    if (now >= ack_delay.due(now)) {
        ack_delay.on_timeout();
        what = effect::send_ack;
    }
    return what | on_retransmit_timeout(now, policy);
}

effects connection::on_retransmit_timeout(instant now, const retry_policy& policy) noexcept
{
    if (now < retransmit_at.at(now) || state == closed || state == connecting)
        return {};
    if (state == syn_sent || state == syn_received)
        return on_syn_timeout(now, policy);
    if (!awaits_guest()) {
        retransmit_at = {};
        return {};
    }
    if (++retries > policy.retries) {
        state = closed;
        return effect::send_reset | effect::reset_socket | effect::close_flow;
    }
    rto.back_off(policy.rto_max);
    restart_timer(now);
    probing = snd_wnd == 0;
    blocked = false;
    begin_rewind();
    return effect::rewind | effect::read_socket;
}

// ── the window ──

// The field counts in units and is rounded down, so that no edge lies beyond what the store may hold. While octets wait, the edge
// that the guest sees may then stand up to a unit before rcv_adv, and what lies between the two is still taken (RFC 7323
// section 2.4). Rounded up, it would move on with each segment smaller than a unit.
std::uint16_t connection::advertise(std::uint32_t stored) noexcept
{
    const auto offered = static_cast<std::uint32_t>(std::max(rcv_adv - rcv_nxt, 0)); // a FIN may stand just behind the edge
    auto window = std::max(rcv_limit() > stored ? rcv_limit() - stored : 0, offered);
    if (stored != 0 && window - offered < std::min<std::uint32_t>(rcv_limit() / 2, 4U * mss))
        window = offered; // RFC 9293 section 3.8.6.2.2: no small steps
    ack_delay.on_acknowledged();
    const auto field = std::min<std::uint32_t>(window >> rcv_scale, 0xffff);
    if (synchronized())
        rcv_adv = std::max(rcv_adv, rcv_nxt + (field << rcv_scale));
    return static_cast<std::uint16_t>(field);
}

bool connection::window_update_due(std::uint32_t stored) const noexcept
{
    const auto offered = static_cast<std::uint32_t>(std::max(rcv_adv - rcv_nxt, 0));
    const auto possible = rcv_limit() > stored ? rcv_limit() - stored : 0;
    return possible > offered && possible - offered >= rcv_limit() / 2;
}

} // namespace tapioca::tcp
