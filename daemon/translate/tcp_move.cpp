// Connections that change workers. A guest with several pairs of queues chooses for each frame by which it leaves, and nothing
// that we do changes its mind; so a connection follows the guest to the worker that serves the pair by which it speaks.
//
// The old owner posts the connection to the new one, and then gives it the entry in the table of owners. Frames of the guest that
// come in between go to the old owner, which sends them on, behind the connection itself. The new one may learn of its entry
// before it has read its mail: then a frame goes to its own mailbox.

#include "daemon/translate/tcp_translator.hpp"

#include <bit>

namespace tapioca {

using report::counter;

/// Nothing of it may be left here: no octets on their way to the socket, none of the peer's in our store, no handshake, no end.
bool tcp_translator::can_move(const tcp_flow& f) const noexcept
{
    return f.c.state == tcp::tcp_state::established && f.peek_offset && f.store.empty() && !f.store.waits_behind_gap() &&
           !f.broken && !f.aborted && !f.lingering && !f.shutdown_due && !f.unanswered && !f.error_queue;
}

void tcp_translator::note_stray(const flow_key& key) noexcept
{
    if (auto* f = flows_.find(key))
        f->strayed = true;
}

void tcp_translator::follow(const flow_key& key, unsigned to, instant now) noexcept
{
    auto* f = flows_.find(key);
    if (f == nullptr || !f->strayed || !can_move(*f))
        return;
    ctx_.poller.remove(f->fd);
    if (!ctx_.others->hand_over(to, *f, birth_of(*f))) {
        if (!ctx_.poller.add(f->fd, token_of(source::tcp_flow, flows_.id_of(*f).value), os::trigger::edge))
            (void)abort(*f, end_reason::socket_failed, now);
        return;
    }
    ctx_.others->transfer(flows_.hash(*f), to);
    ctx_.counters.add(counter::tcp_flows_moved);
    if (birth_of(*f).audited != 0)
        ctx_.audit->expect_no_end();
    ended_by_peer_ -= f->peer_closed;
    small_count_ -= f->small;
    store_.unreserve(f->c.rcv_limit() - tcp::initial_limit);
    wheel_.cancel(flows_.slot_of(*f));
    flows_.erase(*f);
}

/// A connection that was another worker's. What its socket has to say it says again.
void tcp_translator::arrive(const tcp_flow& from, const flow_birth& birth, instant now) noexcept
{
    if (birth.audited != 0)
        ctx_.audit->expect_end();
    auto* f = flows_.insert(from.key);
    if (f == nullptr) {
        ctx_.counters.drop(drop_reason::flow_table_full);
        ctx_.others->disclaim(hash_of(from.key, ctx_.config->secret));
        ctx_.release(own_kind, from.origin);
        if (birth.audited != 0)
            ctx_.audit->end(
                {.what = report::audit_event::ended, .why = end_reason::displaced, .when = now, .number = birth.audited});
        os::reset_on_close(from.fd);
        return os::close(from.fd);
    }
    *f = from;
    birth_of(*f) = birth;
    f->strayed = f->ready_listed = f->ack_listed = false;
    ended_by_peer_ += f->peer_closed;
    small_count_ += f->small;
    if (!store_.reserve(f->c.rcv_limit() - tcp::initial_limit))
        f->c.rcv_limit_bits = std::countr_zero(tcp::initial_limit); // the window shrinks as the guest fills it
    if (!ctx_.poller.add(f->fd, token_of(source::tcp_flow, flows_.id_of(*f).value), os::trigger::edge))
        return (void)abort(*f, end_reason::socket_failed, now);
    f->readable = true;
    list_ready(*f);
    if (from.ack_listed)
        list_ack(*f);
    arm(*f, now);
}

} // namespace tapioca
