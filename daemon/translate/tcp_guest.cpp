// Segments from the guest: to the connection, and their octets to the socket or the store.

#include "daemon/translate/tcp_translator.hpp"
#include "proto/tcp/from_wire.hpp"

#include <algorithm>

namespace tapioca {

using report::counter;

void tcp_translator::from_guest(std::span<const guest_packet* const> run, instant now) noexcept
{
    const auto key = key_of(run.front()->packet, wire::protocol_tcp);
    auto* f = flows_.find(key);
    delivery d;
    tcp::outcome all;
    for (const auto& each : run) {
        ctx_.at_hand = {&each, 1};
        const auto s = wire::parse_tcp(each->packet.l4, each->packet.body);
        if (!s) {
            ctx_.counters.drop(s.why());
            continue;
        }
        if (f != nullptr && all.what.has(tcp::effect::close_flow)) { // what comes behind its end is not this flow's
            if (end_run(*f, d, all, now) == flow_alive::no)
                f = nullptr;
            all = {};
        }
        if (f != nullptr && s->begins_connection() && make_way(*f)) {
            f = nullptr;
            all = {};
        }
        if (f != nullptr) {
            ctx_.counters.add(counter::tcp_from_guest);
            take_segment(*f, *s, d, all, now);
        } else if (s->begins_connection()) {
            open(each->packet, *s, now);
            f = flows_.find(key);
        } else {
            answer_stray(each->packet, *s);
        }
    }
    if (f != nullptr)
        (void)end_run(*f, d, all, now);
}

/// Carries out what segments of a flow have brought about.
flow_alive tcp_translator::end_run(tcp_flow& f, delivery& d, const tcp::outcome& all, instant now) noexcept
{
    f.heard.set(now);
    f.strayed = false;
    if (all.acked != 0) {
        f.moved.set(now);
        ctx_.count_to_guest(f, all.acked);
    }
    // Little, or an end, is often answered inside of the call that passes it on: then the answer carries the ACK. One that is
    // listed already waits no longer.
    f.ack_may_wait = !f.ack_listed && d.octets < f.c.mss;
    deliver(f, d, now);
    return apply(f, all, now);
}

/// A new connection under the key of one that is over for the guest, and only waits for its socket, is not affected by it (RFC
/// 9293 section 3.6.1). True if it has left its key: it goes on without, and says nothing to the guest any more.
bool tcp_translator::make_way(tcp_flow& f) noexcept
{
    if (!f.lingering)
        return false;
    f.ack_listed = false;
    detach_flow(f);
    return true;
}

void tcp_translator::from_guest(const unreachable_segment& refused, instant now) noexcept
{
    auto* f = flows_.find(refused.key);
    if (f == nullptr)
        return ctx_.counters.drop(drop_reason::no_flow);
    if (const auto what = f->c.on_unreachable(refused.seq); !what.none())
        (void)apply(*f, {what}, now);
    else
        ctx_.counters.drop(drop_reason::not_for_us);
}

/// One segment: what it means to the connection is added to `all`, its octets to the delivery or, behind a gap, to the store.
void tcp_translator::take_segment(tcp_flow& f, const wire::tcp_segment& s, delivery& d, tcp::outcome& all, instant now) noexcept
{
    auto segment = tcp::without_octets(s);
    if (segment.seq != f.c.rcv_nxt || segment.fin || d.count + 1 + s.beyond.pieces.size() > d.pieces.size())
        deliver(f, d, now); // what comes before it must have found its place, or been taken back
    const bool end_follows = segment.fin && segment.length != 0 && !segment.syn && !segment.rst;
    segment.fin = segment.fin && !end_follows;
    if (end_follows && segment.seq <= f.c.rcv_nxt)
        store_.forget_behind_gaps(f.store); // here comes all that is missing, and nothing comes behind it
    take_part(f, segment, s, d, all, now);
    if (f.store.waits_behind_gap()) // these octets may close a gap, and the next segment may be behind that already
        deliver(f, d, now);
    if (!end_follows)
        return;
    // The FIN counts only if all octets before it could be kept.
    deliver(f, d, now);
    segment.seq += segment.length;
    segment.length = 0;
    segment.fin = true;
    take_part(f, segment, wire::tcp_segment{}, d, all, now);
}

void tcp_translator::take_part(tcp_flow& f, const tcp::segment& s, const wire::tcp_segment& octets, delivery& d,
                               tcp::outcome& all, instant now) noexcept
{
    const auto out = f.c.on_segment(s, now);
    all.acked += out.acked;
    all.what |= out.what;
    if (out.what.has(tcp::effect::connected))
        on_answered(f);
    if (out.what.has(tcp::effect::challenged))
        ctx_.counters.add(counter::tcp_challenges);
    if (out.what.has(tcp::effect::withheld))
        ctx_.counters.drop(drop_reason::rate_limited);
    if (out.what.has(tcp::effect::refuse_ack))
        all.refused = out.refused;
    if (out.what.has(tcp::effect::shutdown_write))
        store_.forget_behind_gaps(f.store);
    const auto length = octets.payload.size() + octets.beyond.octets;
    if (out.take < length - out.skip && out.take != 0)
        ctx_.counters.drop(drop_reason::outside_window);
    if (out.take == 0)
        return;
    if (octets.beyond.octets == 0)
        return deliver_or_keep(f, out, {{&octets.payload, 1}, length}, d);
    std::array<bytes_view, 1 + most_body_pieces> pieces{octets.payload};
    std::copy(octets.beyond.pieces.begin(), octets.beyond.pieces.end(), pieces.begin() + 1);
    deliver_or_keep(f, out, {std::span{pieces}.first(1 + octets.beyond.pieces.size()), length}, d);
}

/// Octets that are new: in order they are delivered, behind a gap they are kept as far as there is room.
void tcp_translator::deliver_or_keep(tcp_flow& f, const tcp::outcome& out, const scattered_view& octets, delivery& d) noexcept
{
    if (out.gap == 0) {
        octets.each(out.skip, out.take, [&d](bytes_view part) { d.pieces[d.count++] = part; });
        d.octets += out.take;
        return;
    }
    ctx_.counters.add(counter::tcp_out_of_order);
    auto gap = out.gap;
    bool kept = !f.broken;
    octets.each(out.skip, out.take, [&](bytes_view part) {
        kept = kept && store_.put(f.store, gap, part).kept != 0;
        gap += static_cast<std::uint32_t>(part.size());
    });
    if (!kept)
        ctx_.counters.drop(drop_reason::overflow_exhausted);
}

/// Gives the socket what it takes; the rest waits in the store. Octets that do not fit there either, or have no socket, are taken
/// back from the connection, so that the guest retransmits them.
void tcp_translator::deliver(tcp_flow& f, delivery& d, instant now) noexcept
{
    if (d.count == 0)
        return;
    if (!f.broken)
        f.moved.set(now);
    std::size_t sent = 0;
    const bool direct = f.store.empty() && !f.store.held && !ctx_.metering.is_on();
    const bool waiting = f.store.length() != 0; // for the socket: EPOLLOUT will tell when it is writable
    if (direct && !f.broken) {
        const auto n = os::send(f.fd, {d.pieces.data(), d.count});
        if (n)
            sent = *n;
        else if (n.error().value() != EAGAIN)
            note_failure(f);
        if (sent != d.octets)
            ctx_.counters.add(counter::tcp_overflowed);
        ctx_.count_from_guest(f, sent);
    }
    if (sent == d.octets)
        grow_window(f, d.octets);

    std::size_t lost = 0, there = 0;
    for (std::size_t i = 0; i < d.count; ++i) {
        const auto piece = d.pieces[i];
        const auto done = std::min(sent, piece.size());
        sent -= done;
        if (done != piece.size())
            store(f, piece.subspan(done), lost, there);
    }
    if (there != 0)
        f.c.on_gap_filled(static_cast<std::uint32_t>(there));
    d.count = 0;
    d.octets = 0;
    if (!direct && (!waiting || f.store.held)) { // they may have closed a gap, or be what is waited for
        send_stored(f, now);
        offer_window(f);
    }
    if (lost == 0)
        return;
    ctx_.counters.drop(f.broken ? drop_reason::send_failed : drop_reason::overflow_exhausted);
    f.c.retract(static_cast<std::uint32_t>(lost));
}

/// A piece may close a gap before the end of its segment: `there` octets of what follows it are in the store already, then.
void tcp_translator::store(tcp_flow& f, bytes_view octets, std::size_t& lost, std::size_t& there) noexcept
{
    if (lost != 0 || f.broken) { // nothing may follow a hole
        lost += octets.size();
        return;
    }
    const auto known = std::min(there, octets.size());
    there -= known;
    octets = octets.subspan(known);
    if (octets.empty())
        return;
    const auto put = store_.put(f.store, 0, octets);
    lost = octets.size() - put.kept;
    if (lost == 0)
        there = put.filled;
}

/// The window grows when the guest fills it and the socket accepts all of it.
void tcp_translator::grow_window(tcp_flow& f, std::size_t octets) noexcept
{
    if (octets < f.c.rcv_limit() / 2 || f.c.rcv_limit() >= largest_window || !store_.reserve(f.c.rcv_limit()))
        return;
    ++f.c.rcv_limit_bits;
}

} // namespace tapioca
