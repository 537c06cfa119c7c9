#include "daemon/translate/tcp_translator.hpp"

#include "daemon/translate/limits.hpp"

#include <algorithm>

namespace tapioca {

using report::counter;
using tcp::effect;

namespace {

/// Chunks begin in the middle of pages: the kernel's copies took twice as long where source and destination had nearly the same
/// offset in their pages (4K aliasing).
constexpr std::size_t page_shift = 2048;

} // namespace

tcp_translator::tcp_translator(context& ctx, std::size_t capacity, instant start, std::size_t pool)
    : flows_of(ctx, capacity, start), chunk_memory_(pool),
      chunk_links_(pool / tcp::receive_store::chunk_octets * sizeof(tcp::receive_store::index)),
      range_memory_(limits::out_of_order_flows * sizeof(tcp::receive_store::range_set)),
      ack_memory_(capacity * sizeof(std::uint32_t)),
      connecting_memory_(std::min(capacity, slot_list::most) * sizeof(slot_list::entry)),
      sent_memory_(ctx.config->keeps_peer_octets() ? pool + page_shift : 0),
      sent_links_(sent_memory_.bytes().size() / tcp::chunk_pool::chunk_octets * sizeof(tcp::send_store::index)),
      sent_queues_(sent_memory_.bytes().size() / tcp::chunk_pool::chunk_octets * sizeof(tcp::send_store::queue)),
      sent_of_slot_(sent_memory_.bytes().empty() ? 0 : capacity * sizeof(tcp::send_store::index)),
      store_(chunk_memory_.as<octet>(), chunk_links_.as<tcp::receive_store::index>(),
             range_memory_.as<tcp::receive_store::range_set>()),
      sent_(sent_memory_.as<octet>().subspan(std::min(page_shift, sent_memory_.bytes().size())),
            sent_links_.as<tcp::send_store::index>(), sent_queues_.as<tcp::send_store::queue>(),
            sent_of_slot_.as<tcp::send_store::index>()),
      acks_(ack_memory_.as<std::uint32_t>()), connecting_(connecting_memory_.as<slot_list::entry>())
{
}

tcp_translator::~tcp_translator()
{
    flows_.for_each([](tcp_flow& f) {
        if (f.fd >= 0)
            os::close(f.fd);
    });
}

/// Carries out effects: on the socket first, then towards the guest, the end of the flow last.
flow_alive tcp_translator::apply(tcp_flow& f, const tcp::outcome& out, instant now, std::optional<end_reason> why) noexcept
{
    const auto what = out.what;
    if (out.acked != 0 && !forget_acknowledged(f, out.acked))
        return quarantine(f, now);
    if (what.has(effect::rewind)) {
        ctx_.counters.add(counter::tcp_retransmits);
        rewind(f);
    }
    if (what.has(effect::keep_alive))
        keep_alive(f, now);
    if (what.has(effect::shutdown_write)) {
        f.shutdown_due = f.store.length() != 0; // behind what waits there
        if (!f.shutdown_due)
            os::shutdown_write(f.fd);
    }
    if (what.has(effect::reset_socket))
        os::reset_on_close(f.fd);
    tell_guest(f, out);
    if (what.has(effect::close_flow) && !lingers(f, what))
        return close(f, why.value_or(reason_of(f)), now);
    if (f.broken && !f.readable && f.c.snd_una == f.c.snd_max)
        return fail(f, now);
    if (what.has(effect::read_socket) && f.readable)
        list_ready(f);
    if (what.has(effect::send_ack))
        list_ack(f);
    arm(f, now);
    return flow_alive::yes;
}

/// Sends the segments without data that an effect stands for; an ACK waits for the end of the turn.
void tcp_translator::tell_guest(tcp_flow& f, const tcp::outcome& out) noexcept
{
    const auto what = out.what;
    if (what.has(effect::send_syn))
        send_syn(f, wire::tcp_syn);
    if (what.has(effect::send_syn_ack))
        send_syn(f, wire::tcp_syn | wire::tcp_ack);
    if (what.has(effect::send_duplicates))
        for (int i = 0; i < 4; ++i) // the first does not count as a duplicate if it moves the window
            send_control(f, wire::tcp_ack, f.c.control_seq());
    if (what.has(effect::send_keepalive))
        send_control(f, wire::tcp_ack, f.c.snd_una - 1);
    if (what.has(effect::send_fin))
        send_control(f, wire::tcp_fin | wire::tcp_ack, f.c.snd_max - 1);
    if (what.has(effect::refuse_ack))
        send_control(f, wire::tcp_rst, out.refused);
    if (what.has(effect::send_reset))
        send_reset(f);
}

/// The connection is over. Whether the flow stays until the socket has what it should have.
bool tcp_translator::lingers(tcp_flow& f, tcp::effects what) noexcept
{
    if (what.has(effect::send_ack) ||
        (f.ack_listed && !what.has(effect::reset_socket))) // the flow may not live to see the end of the turn
        send_control(f, wire::tcp_ack, f.c.control_seq());
    f.aborted = what.has(effect::reset_socket);
    f.lingering = !what.has(effect::send_reset) && !f.broken && !is_delivered(f);
    return f.lingering;
}

/// Whether the socket may be closed. To reset it takes back what the peer has not acknowledged, and the guest was told that it
/// has.
bool tcp_translator::is_delivered(const tcp_flow& f) noexcept
{
    return (f.store.length() == 0 || f.store.held) && !(f.aborted && os::unacknowledged(f.fd) != 0);
}

bool tcp_translator::send_control(tcp_flow& f, octet flags, seq_number seq) noexcept
{
    const auto slot = ctx_.tap.acquire();
    tcp_emission e{.seq = seq, .ack = f.c.rcv_nxt, .flags = flags, .window = f.c.advertise(f.store.length())};
    wire::virtio_net_header vnet;
    const auto headers = emit_tcp(slot.data(), ctx_.link(), f.key, e, vnet);
    if (!ctx_.tap.commit(vnet, headers, 0))
        return false;
    f.ack_listed = f.ack_listed && (flags & wire::tcp_ack) == 0; // else this segment carried it
    return true;
}

/// Before the guest's SYN there is nothing to acknowledge: an ACK would be unacceptable, and the reset ignored (RFC 9293
/// section 3.10.7.4, fifth).
void tcp_translator::send_reset(tcp_flow& f) noexcept
{
    if (send_control(f, f.c.knows_guest() ? wire::tcp_rst | wire::tcp_ack : wire::tcp_rst, f.c.control_seq()))
        ctx_.counters.add(counter::tcp_resets_to_guest);
}

void tcp_translator::send_syn(tcp_flow& f, octet flags) noexcept
{
    const bool acknowledges = (flags & wire::tcp_ack) != 0;
    const auto slot = ctx_.tap.acquire();
    tcp_emission e{.seq = f.c.iss, .ack = acknowledges ? f.c.rcv_nxt : seq_number{}, .flags = flags};
    e.window = static_cast<std::uint16_t>(tcp::initial_window);
    e.mss_option = largest_mss(f.key.guest.family());
    if (!acknowledges || f.c.rcv_scale != 0)
        e.scale_option = tcp::our_window_scale;
    wire::virtio_net_header vnet;
    const auto headers = emit_tcp(slot.data(), ctx_.link(), f.key, e, vnet);
    ctx_.tap.commit(vnet, headers, 0);
}

void tcp_translator::list_ack(tcp_flow& f) noexcept
{
    if (f.ack_listed)
        return;
    if (ack_count_ == acks_.size()) {
        send_control(f, wire::tcp_ack, f.c.control_seq());
        return;
    }
    f.ack_listed = true;
    acks_[ack_count_++] = flows_.slot_of(f);
}

/// While the tap accepts no data, flows wait and their data stays in their sockets.
void tcp_translator::end_turn(instant now) noexcept
{
    const auto move = [&](tcp_flow& f) {
        auto budget = static_cast<std::ptrdiff_t>(limits::tcp_octets_per_turn);
        (void)pump(f, budget, now);
    };
    paced_until_ = {};
    if (ctx_.metering.is_on())
        run_metered(now);
    else
        ready_.run(
            flows_, [this] { return ctx_.tap.accepts_data(); }, move);
    send_acks();
}

/// One that is refused for want of room waits for it, as nobody else would tell the guest; any other refusal is a loss.
void tcp_translator::send_acks() noexcept
{
    std::size_t waiting = 0;
    acks_held_ = 0;
    for (std::size_t i = 0; i < ack_count_; ++i) {
        auto* f = flows_.at_slot(acks_[i]);
        if (f == nullptr || !f->ack_listed)
            continue;
        if (f->ack_may_wait) {
            f->ack_may_wait = false;
            acks_[waiting++] = acks_[i];
            continue;
        }
        if (send_control(*f, wire::tcp_ack, f->c.control_seq()))
            continue;
        f->ack_listed = !ctx_.tap.accepts_data();
        if (f->ack_listed) {
            acks_[waiting++] = acks_[i];
            ++acks_held_;
        }
    }
    ack_count_ = waiting;
}

/// One timer per flow, set to its earliest deadline; a deadline that has moved later is noticed when the timer fires.
void tcp_translator::arm(tcp_flow& f, instant now) noexcept
{
    auto due = now + limits::tcp_keepalive;
    if (f.store.length() != 0 || f.readable || f.broken || f.aborted)
        due = now + (f.aborted && f.store.length() == 0 ? limits::tcp_reset_poll : limits::tcp_watchdog);
    wheel_.arm_no_later(flows_.slot_of(f), std::min(due, f.c.next_timeout(now)));
}

void tcp_translator::expire(instant now) noexcept
{
    wheel_.expire(now, [&](std::uint32_t slot) {
        if (auto* f = flows_.at_slot(slot))
            (void)on_timer(*f, now);
    });
    go_on_with_resolvers(now);
}

flow_alive tcp_translator::on_timer(tcp_flow& f, instant now) noexcept
{
    if (f.store.refused || (f.store.held && f.shutdown_due)) // or nothing more comes of what is held
        return abort(f, end_reason::egress_denied, now);
    if ((f.broken || f.aborted) && f.moved.until(now) > limits::tcp_reset_seconds)
        return fail(f, now);
    if (f.lingering && is_delivered(f))
        return close(f, reason_of(f), now);
    if (ctx_.tap.accepts_data())
        f.c.on_room(now);
    else if (f.c.on_no_room(now))
        list_ready(f);
    if (now >= f.c.next_timeout(now)) {
        const auto before = f.c.retries;
        tcp::outcome out{f.c.on_timeout(now, ctx_.config->retries)};
        if (f.c.retries != before)
            ctx_.counters.add(counter::tcp_timeouts);
        return apply(f, out, now, end_reason::guest_silent);
    }
    const bool resting = f.moved.until(now) > 1 && !f.ready_listed;
    if (f.store.length() != 0 && resting) { // the watchdog: octets wait, and no event came
        const auto before = f.store.length();
        if (drain(f, now) == flow_alive::no)
            return flow_alive::no;
        if (f.store.length() < before)
            ctx_.counters.add(counter::tcp_stalls_recovered);
    }
    if (f.readable && !f.ready_listed && f.c.synchronized() && sendable(f) != 0) {
        ctx_.counters.add(counter::tcp_stalls_recovered);
        list_ready(f);
    }
    if (has_ended(f, now)) {
        os::reset_on_close(f.fd);
        return fail(f, now);
    }
    if (f.keep_idle == 0 && f.moved.until(now) > limits::tcp_inactivity_seconds) {
        os::keep_alive(f.fd);
        f.keep_idle = limits::tcp_inactivity_seconds;
    }
    if (f.c.synchronized() && f.heard.until(now) >= limits::tcp_keepalive_seconds && ctx_.tap.accepts_data())
        return apply(f, {effect::send_keepalive}, now);
    arm(f, now);
    return flow_alive::yes;
}

/// A guest that answers keep-alives is alive; a peer is alive until the kernel reports an error. A lingering flow, which has only
/// octets for its socket left, ends after two hours without progress.
bool tcp_translator::has_ended(const tcp_flow& f, instant now) const noexcept
{
    return f.lingering ? f.moved.until(now) > limits::tcp_inactivity_seconds : f.heard.until(now) > limits::tcp_silence_seconds;
}

/// The guest has sent a keep-alive, which we have answered: the host's kernel is told to send the peer keep-alives as often. As
/// each of the guest's is answered, its interval is its TCP_KEEPIDLE; its TCP_KEEPINTVL is never seen.
void tcp_translator::keep_alive(tcp_flow& f, instant now) noexcept
{
    const auto interval = std::min(f.moved.until(now), limits::tcp_longest_keep_idle);
    f.moved.set(now);
    if (f.keep_idle == 0)
        os::keep_alive(f.fd);
    else if (interval == f.keep_idle || interval == f.keep_idle + 1U) // whole seconds may differ by one
        return;
    if (interval == 0)
        return;
    f.keep_idle = static_cast<std::uint16_t>(interval);
    os::set_keep_alive_times(f.fd, static_cast<int>(interval),
                             static_cast<int>(std::min(interval, limits::tcp_longest_keep_interval)));
}

/// An invariant of this flow does not hold: it ends, nothing else does.
flow_alive tcp_translator::quarantine(tcp_flow& f, instant now) noexcept
{
    ctx_.counters.add(counter::flow_quarantined);
    ctx_.report(report::event_kind::flow_quarantined, now, f.key);
    send_reset(f);
    if (f.fd >= 0)
        os::reset_on_close(f.fd);
    return close(f, end_reason::quarantined, now);
}

/// The end of the peer's stream is in the socket.
void tcp_translator::note_end(tcp_flow& f) noexcept
{
    ended_by_peer_ += !f.peer_closed;
    f.peer_closed = true;
}

/// Of a connection that its two ends have brought to its end.
end_reason tcp_translator::reason_of(const tcp_flow& f) noexcept
{
    if (f.broken)
        return end_reason::reset_by_peer;
    if (f.aborted)
        return f.unanswered ? end_reason::refused_by_guest : end_reason::reset_by_guest;
    return end_reason::finished;
}

flow_alive tcp_translator::close(tcp_flow& f, end_reason why, instant now) noexcept
{
    ended_by_peer_ -= f.peer_closed;
    small_count_ -= f.small;
    if (ctx_.others != nullptr)
        ctx_.others->note_end(f.origin, service_port(f),
                              std::uint64_t{static_cast<std::uint32_t>(f.c.snd_max - f.c.iss)} +
                                  static_cast<std::uint32_t>(f.c.rcv_nxt - f.c.irs));
    on_answered(f);
    stop_waiting_for_host(f);
    asked_.remove(flows_.id_of(f));
    store_.release(f.store);
    sent_.release(flows_.slot_of(f));
    store_.unreserve(f.c.rcv_limit() - tcp::initial_limit);
    const auto octets = octets_of(f);
    if (f.fd >= 0)
        os::close(f.fd);
    return erase_flow(f, why, now, octets);
}

/// Both ends get a reset.
flow_alive tcp_translator::abort(tcp_flow& f, end_reason why, instant now) noexcept
{
    if (f.lingering) { // the guest's end is over
        os::reset_on_close(f.fd);
        return close(f, why, now);
    }
    f.c.state = tcp::tcp_state::closed;
    return apply(f, {effect::send_reset | effect::reset_socket | effect::close_flow}, now, why);
}

} // namespace tapioca
