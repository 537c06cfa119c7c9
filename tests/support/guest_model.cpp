// The guest's connection as a receiver: states, handshakes, resets, and the peer's octets.

#include "tests/support/guest_model.hpp"

#include <algorithm>

namespace tapioca::test {

using namespace std::chrono_literals;

guest_tcp::guest_tcp(const flow_key& key, const link_ends& link, const guest_options& options, std::uint64_t seed)
    : snd_una(options.iss), snd_nxt(options.iss), snd_max(options.iss), key_(key), link_(link), options_(options), ours_(seed),
      theirs_(seed + 1), iss_(options.iss)
{
    cwnd_ = 10 * options_.mss;
}

void guest_tcp::connect(instant now)
{
    at = stage::syn_sent;
    snd_nxt = snd_max = iss_ + 1;
    send(wire::tcp_syn, iss_);
    restart_timer(now);
}

void guest_tcp::receive(const wire::tcp_segment& s, instant now)
{
    if (mute)
        return;
    ++segments_received;
    switch (at) {
    case stage::closed:
    case stage::gave_up:
    case stage::reset:
        return refuse(s);
    case stage::listening:
        if (!s.has(wire::tcp_syn))
            return;
        take_options(s);
        at = stage::syn_received;
        passive_ = true;
        snd_nxt = snd_max = iss_ + 1;
        send(wire::tcp_syn | wire::tcp_ack, iss_);
        return restart_timer(now);
    case stage::syn_sent:
        return in_syn_sent(s, now);
    case stage::syn_received:
        if (s.has(wire::tcp_syn) && !s.has(wire::tcp_ack))
            return send(wire::tcp_syn | wire::tcp_ack, iss_);
        if (s.has(wire::tcp_ack) ? s.ack != iss_ + 1 : !s.has(wire::tcp_rst))
            return; // a reset's acknowledgment counts as well, as Linux has it
        if (s.has(wire::tcp_rst))
            return take_reset(s);
        at = stage::open;
        snd_una = s.ack;
        retransmit_at = instant::max();
        break;
    case stage::open:
        break;
    }
    if (s.has(wire::tcp_rst))
        return take_reset(s);
    if (s.has(wire::tcp_syn)) { // RFC 5961 section 4.2; in a simultaneous open, the other's SYN-ACK
        send(wire::tcp_ack, snd_nxt);
        return push(now);
    }
    if (s.payload.empty() && !s.has(wire::tcp_fin) && (s.seq < rcv_nxt || s.seq > edge_)) {
        ++unacceptable_received; // RFC 9293 section 3.10.7.4, first: nothing in it counts
        if (now < quiet_until_)
            return;
        quiet_until_ = now + 500ms; // or two that disagree would tell each other for ever
        return acknowledge(true, now);
    }
    if (take_ack(s, now))
        take_payload(s, now);
    push(now);
}

/// RFC 9293 section 3.10.7.1.
void guest_tcp::refuse(const wire::tcp_segment& s)
{
    if (s.has(wire::tcp_rst))
        return;
    if (s.has(wire::tcp_ack))
        return send(wire::tcp_rst, s.ack);
    rcv_nxt = s.seq + s.length();
    send(wire::tcp_rst | wire::tcp_ack, seq_number{});
}

void guest_tcp::in_syn_sent(const wire::tcp_segment& s, instant now)
{
    if (s.has(wire::tcp_ack) && s.ack != snd_nxt) {
        if (!s.has(wire::tcp_rst))
            send(wire::tcp_rst, s.ack);
        return;
    }
    if (s.has(wire::tcp_rst)) {
        if (!s.has(wire::tcp_ack))
            return;
        at = stage::reset;
        retransmit_at = instant::max();
        return;
    }
    if (!s.has(wire::tcp_syn))
        return;
    take_options(s);
    if (!s.has(wire::tcp_ack)) {
        at = stage::syn_received;
        return send(wire::tcp_syn | wire::tcp_ack, iss_);
    }
    at = stage::open;
    snd_una = s.ack;
    snd_wnd = s.window;
    retransmit_at = instant::max();
    timeouts_ = 0;
    rto_ = 1s;
    send(wire::tcp_ack, snd_nxt);
    push(now);
}

void guest_tcp::take_options(const wire::tcp_segment& s)
{
    irs_ = s.seq;
    rcv_nxt = edge_ = s.seq + 1;
    edge_ += std::min<std::uint32_t>(options_.receive_buffer, 65535); // what the SYN said
    mss_ = s.mss.value_or(536);
    snd_wnd = s.window;
    if (s.window_scale && options_.scale >= 0) {
        their_scale_ = *s.window_scale;
        our_scale_ = options_.scale;
    }
}

void guest_tcp::take_reset(const wire::tcp_segment& s)
{
    if (s.seq == rcv_nxt) { // RFC 5961 section 3.2
        at = at == stage::syn_received && passive_ ? stage::listening : stage::reset;
        retransmit_at = ack_at = instant::max();
    } else if (s.seq > rcv_nxt && s.seq < edge_) {
        ++challenges;
        send(wire::tcp_ack, snd_nxt);
    }
}

void guest_tcp::take_payload(const wire::tcp_segment& s, instant now)
{
    const auto length = static_cast<std::int64_t>(s.payload.size());
    const bool fin = s.has(wire::tcp_fin);
    const std::int64_t from = s.seq - rcv_nxt;
    if (length == 0 && !fin) {
        if (from < 0)
            acknowledge(true, now); // a keepalive
        return;
    }
    if (fin_received || from + length + (fin ? 1 : 0) <= 0) {
        ++duplicates_received;
        return acknowledge(true, now);
    }
    if (out_of_memory)
        return acknowledge(true, now);
    const std::int64_t room = edge_ - rcv_nxt;
    if (from + length > room) {
        if (length > 1)
            complain("octets " + std::to_string(from) + " to " + std::to_string(from + length) + " of an offered window of " +
                     std::to_string(room));
        return acknowledge(true, now);
    }
    const auto place = static_cast<std::int64_t>(received_) + from;
    if (!theirs_.matches(s.payload, static_cast<std::uint64_t>(place)))
        complain("wrong octets at " + std::to_string(place));
    if (fin) {
        const auto end = static_cast<std::uint64_t>(place + length);
        if (their_fin_known_ && fin_place_ != end)
            complain("two ends of one stream");
        their_fin_known_ = true;
        fin_place_ = end;
    }
    const auto before = received_;
    take_in_order(static_cast<std::uint64_t>(std::max<std::int64_t>(place, 0)), static_cast<std::uint64_t>(place + length));
    const bool in_order = from <= 0 && behind_.empty();
    unacknowledged_ += static_cast<std::uint32_t>(received_ - before);
    acknowledge(!in_order || fin_received || !options_.delayed_acks || unacknowledged_ >= 2U * options_.mss, now);
}

void guest_tcp::take_in_order(std::uint64_t from, std::uint64_t to)
{
    for (auto r = behind_.begin(); r != behind_.end();) {
        if (r->first <= to && from <= r->second) {
            from = std::min(from, r->first);
            to = std::max(to, r->second);
            r = behind_.erase(r);
        } else {
            ++r;
        }
    }
    if (from > received_) {
        behind_[from] = to;
        return;
    }
    rcv_nxt += static_cast<std::uint32_t>(std::max(to, received_) - received_);
    received_ = std::max(to, received_);
    if (reads_by_itself)
        taken = received_;
    if (their_fin_known_ && received_ == fin_place_) {
        fin_received = true;
        rcv_nxt += 1;
    }
    if (their_fin_known_ && received_ > fin_place_)
        complain("octets behind the end of the stream");
}

void guest_tcp::read(std::uint64_t octets, instant)
{
    const auto before = offered_window();
    const bool closed = edge_ <= rcv_nxt + options_.mss;
    taken = std::min(taken + octets, received_);
    if (at == stage::open && (closed || offered_window() - before >= options_.receive_buffer / 2))
        send(wire::tcp_ack, snd_nxt);
}

std::uint32_t guest_tcp::offered_window() const
{
    if (out_of_memory)
        return 0;
    const auto unread = received_ - taken;
    return options_.receive_buffer > unread ? options_.receive_buffer - static_cast<std::uint32_t>(unread) : 0;
}

void guest_tcp::acknowledge(bool at_once, instant now)
{
    if (at_once)
        return send(wire::tcp_ack, snd_nxt);
    if (ack_at == instant::max())
        ack_at = now + 40ms;
}

void guest_tcp::send(octet flags, seq_number seq, std::uint32_t payload)
{
    if (mute)
        return;
    tcp_emission e{.seq = seq, .ack = {}, .flags = flags, .window = 0, .payload = payload};
    if ((flags & wire::tcp_syn) != 0) {
        e.mss_option = options_.mss;
        if (options_.scale >= 0 && ((flags & wire::tcp_ack) == 0 || our_scale_ != 0))
            e.scale_option = static_cast<octet>(options_.scale);
        e.window = static_cast<std::uint16_t>(std::min<std::uint32_t>(offered_window(), 65535));
    } else {
        const auto kept = out_of_memory ? 0 : static_cast<std::uint32_t>(std::max(edge_ - rcv_nxt, 0));
        const auto window = std::max(std::min<std::uint32_t>(offered_window(), 65535U << our_scale_), kept);
        const auto field = std::min<std::uint32_t>((window + (1U << our_scale_) - 1) >> our_scale_, 65535);
        edge_ = out_of_memory ? rcv_nxt : std::max(edge_, rcv_nxt + (field << our_scale_));
        e.window = static_cast<std::uint16_t>(field);
    }
    if ((flags & wire::tcp_ack) != 0) {
        e.ack = rcv_nxt;
        ack_at = instant::max();
        unacknowledged_ = 0;
    }
    std::vector<octet> room(most_header_octets + payload);
    octet* body = room.data() + most_header_octets;
    ours_.fill({body, payload}, static_cast<std::uint64_t>(static_cast<std::int64_t>(acknowledged()) + (seq - snd_una)));
    const flow_key reversed{key_.remote, key_.guest, key_.remote_port, key_.guest_port, key_.protocol};
    wire::virtio_net_header vnet;
    const auto headers = emit_tcp(body, {link_.guest, link_.ours}, reversed, e, vnet);
    output.push_back({vnet, {body - headers, body + payload}});
}

void guest_tcp::forge(const forged& f)
{
    const auto saved = rcv_nxt;
    rcv_nxt = seq_number{rcv_nxt.value() + static_cast<std::uint32_t>(f.ack_offset)};
    send(f.flags, seq_number{snd_nxt.value() + static_cast<std::uint32_t>(f.seq_offset)}, f.payload);
    rcv_nxt = saved;
}

} // namespace tapioca::test
