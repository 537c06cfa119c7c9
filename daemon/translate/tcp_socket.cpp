// Sockets of TCP flows: data towards the guest, octets of the guest that waited, ends and errors.

#include "daemon/translate/limits.hpp"
#include "daemon/translate/tcp_translator.hpp"

#include <algorithm>
#include <cerrno>

namespace tapioca {

using tcp::effect;

void tcp_translator::from_socket(flow_id id, const os::event& e, instant now) noexcept
{
    auto* f = flows_.find(id);
    if (f == nullptr)
        return;
    if (f->c.state == tcp::tcp_state::connecting)
        return (void)on_connect_event(*f, e, now);
    if (e.error && os::take_error(f->fd) != 0) { // soft errors leave SO_ERROR empty and never end a flow
        note_failure(*f);
        if (f->lingering || (!f->c.synchronized() && !has_unread(*f))) // before the handshake with the guest has completed
            return (void)fail(*f, now);
    }
    if (e.closed_by_peer)
        note_end(*f);
    if (e.urgent)
        f->urgent = true;
    if (e.readable || e.closed_by_peer || e.error)
        f->readable = true;
    if (e.writable && f->store.length() != 0 && drain(*f, now) == flow_alive::no)
        return;
    if (f->readable)
        list_ready(*f);
}

/// Sends what waited in the store, and what had to wait behind it. What the egress policy's rate holds up waits on.
void tcp_translator::send_stored(tcp_flow& f, instant now) noexcept
{
    if (f.store.held && !may_go_on(f, now))
        return;
    const auto may = ctx_.metering.is_on() ? ctx_.metering.allowance(now) : SIZE_MAX;
    auto left = may;
    std::array<bytes_view, os::most_pieces> pieces;
    while (f.store.length() != 0 && !f.broken) {
        if (left == 0) {
            list_ready(f);
            break;
        }
        const auto count = store_.gather(f.store, pieces, left);
        const auto sent = os::send(f.fd, {pieces.data(), count});
        if (!sent) {
            if (sent.error().value() != EAGAIN)
                note_failure(f);
            break;
        }
        std::size_t offered = 0;
        for (std::size_t i = 0; i < count; ++i)
            offered += pieces[i].size();
        store_.consume(f.store, static_cast<std::uint32_t>(*sent));
        ctx_.count_from_guest(f, *sent);
        f.moved.set(now);
        left -= *sent;
        if (*sent < offered)
            break;
    }
    if (ctx_.metering.is_on())
        ctx_.metering.charge(may - left, now);
    if (f.store.length() == 0 && f.shutdown_due) {
        f.shutdown_due = false;
        os::shutdown_write(f.fd);
    }
}

/// A window update, when the store has drained enough to be worth one.
void tcp_translator::offer_window(tcp_flow& f) noexcept
{
    if (f.c.synchronized() && f.c.window_update_due(f.store.length()))
        list_ack(f);
}

flow_alive tcp_translator::drain(tcp_flow& f, instant now) noexcept
{
    send_stored(f, now);
    if (f.lingering && (f.broken || is_delivered(f)))
        return close(f, reason_of(f), now);
    if (f.aborted)
        arm(f, now);
    offer_window(f);
    return flow_alive::yes;
}

/// Moves data from the socket to the guest: as much as its window takes, in super-frames of up to 64 KiB. Once the budget is
/// spent, or more, others have their turn.
flow_alive tcp_translator::pump(tcp_flow& f, std::ptrdiff_t& budget, instant now) noexcept
{
    if (!f.c.synchronized())
        return flow_alive::yes;
    f.c.mss = mss_of_path(f);
    f.c.on_room(now);
    const std::size_t headers = f.key.guest.is_v4() ? 40 : 60;
    const auto most = std::min((ctx_.tap.largest_datagram() - headers) / f.c.mss, limits::segments_in_super_frame);
    const auto segments =
        ctx_.tap.offload().tso ? std::max<std::size_t>(std::min(most, static_cast<std::size_t>(budget) / f.c.mss), 1) : 1;
    while (f.readable) {
        if (budget <= 0 || !ctx_.tap.accepts_data()) {
            list_ready(f);
            return flow_alive::yes;
        }
        const auto window = sendable(f);
        if (window == 0)
            return on_full_window(f, now);
        const bool again = to_repeat(f) != 0;
        const auto want = room_for(f, std::min(window, segments * f.c.mss));
        if (want == 0)
            continue; // the back-end does not accept data any more
        const auto got = read_next(f, want);
        if (!got) {
            f.readable = false;
            if (got.error().value() == EAGAIN)
                break;
            f.broken = true;
            return apply(f, {}, now);
        }
        if (*got == 0) {
            f.readable = false;
            if (!f.broken)
                note_end(f); // of which the event may be still to come
            return apply(f, {f.broken ? tcp::effects{} : f.c.on_eof(now)}, now);
        }
        send_data(f, *got, now);
        budget -= static_cast<std::ptrdiff_t>(*got);
        // A short read emptied the queue: the next octet brings an event, unless the end of the stream stands behind it already.
        f.readable = *got == want || again || f.peer_closed || f.urgent;
    }
    arm(f, now);
    return flow_alive::yes;
}

/// The guest's window in whole segments; the rest of it only while nothing is in flight (RFC 9293 section 3.8.6.2.1).
std::size_t tcp_translator::sendable(const tcp_flow& f) const noexcept
{
    const auto window = std::min<std::size_t>(f.c.send_window(), keepable(f));
    if (window > f.c.mss)
        return window / f.c.mss * f.c.mss;
    return window == f.c.mss || f.c.snd_nxt == f.c.snd_una || f.c.fin_sent ? window : 0;
}

/// How much of `most` octets the back-end has room for, in whole segments; they are read into its memory then.
std::size_t tcp_translator::room_for(tcp_flow& f, std::size_t most) noexcept
{
    if (!f.peek_offset)
        return most;
    const std::size_t headers = f.key.guest.is_v4() ? 54 : 74;
    body_ = ctx_.tap.acquire_body(headers, f.c.mss, most);
    std::size_t octets = 0;
    for (const auto piece : body_)
        octets += piece.size();
    return octets;
}

flow_alive tcp_translator::on_full_window(tcp_flow& f, instant now) noexcept
{
    if (!f.c.fin_sent || f.c.snd_nxt + 1 < f.c.snd_max) {
        f.c.on_blocked(now);
        arm(f, now);
        return flow_alive::yes;
    }
    f.readable = false; // everything was sent, only the FIN may have to be repeated
    return apply(f, {f.c.fin_is_next() ? f.c.on_eof(now) : tcp::effects{}}, now);
}

void tcp_translator::send_data(tcp_flow& f, std::size_t octets, instant now) noexcept
{
    const tcp_emission e{.seq = f.c.snd_nxt,
                         .ack = f.c.rcv_nxt,
                         .flags = wire::tcp_ack | wire::tcp_psh,
                         .window = f.c.advertise(f.store.length()),
                         .payload = static_cast<std::uint32_t>(octets),
                         .mss = f.c.mss,
                         .identification = identification(f, octets)};
    const auto slot = ctx_.tap.acquire();
    wire::virtio_net_header vnet;
    const auto headers = emit_tcp(slot.data(), ctx_.link(), f.key, e, vnet);
    const bool sent = commit(f, vnet, headers, octets);
    const auto highest = f.c.snd_max;
    f.c.on_sent(static_cast<std::uint32_t>(octets), now); // what was refused is lost, and repeated like that
    f.ack_listed = f.ack_listed && !sent;                 // else this segment carried it
    if (f.c.snd_max > highest) // or it is a repetition, or a probe of a window that may stay closed for ever
        f.moved.set(now);
}

/// The socket's connection has ended in an error, which the kernel reports once. What the guest sends is lost from now on, but
/// data that the peer sent before can still be read and goes to the guest, before the reset.
void tcp_translator::note_failure(tcp_flow& f) noexcept
{
    f.broken = true;
    note_end(f);
    f.readable = true;
    list_ready(f);
}

bool tcp_translator::has_unread(const tcp_flow& f) noexcept
{
    octet first;
    const auto got = os::peek(f.fd, {&first, 1});
    return got && *got != 0;
}

flow_alive tcp_translator::fail(tcp_flow& f, instant now) noexcept
{
    if (f.lingering) // the guest's end is over
        return close(f, f.broken ? end_reason::reset_by_peer : end_reason::peer_silent, now);
    return abort(f, f.broken ? end_reason::reset_by_peer : end_reason::guest_silent, now);
}

} // namespace tapioca
