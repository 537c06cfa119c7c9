// Connections that another process goes on with: one that takes our place on the same host, and gets the sockets themselves.

#include "daemon/translate/limits.hpp"
#include "daemon/translate/tcp_translator.hpp"

#include <array>
#include <bit>

namespace tapioca {
namespace {

constexpr std::size_t pieces_of(std::uint32_t octets) { return octets / tcp::chunk_pool::chunk_octets + 2; }

migrate::tcp_flow_state portable(const tcp_flow& f, instant now) noexcept
{
    auto s = migrate::state_of(f, f.c, now);
    s.heard = f.heard.until(now);
    s.moved = f.moved.until(now);
    s.keep_idle = f.keep_idle;
    s.peer_closed = f.peer_closed, s.shutdown_due = f.shutdown_due, s.lingering = f.lingering, s.aborted = f.aborted;
    s.broken = f.broken, s.unanswered = f.unanswered, s.error_queue = f.error_queue, s.urgent = f.urgent;
    s.peek_offset = f.peek_offset, s.keeps_place = f.keeps_place;
    s.to_socket = f.store.length();
    return s;
}

void set(tcp_flow& f, const migrate::tcp_flow_state& s, instant now) noexcept
{
    f.c = migrate::restored(s, now);
    f.heard.set(now - std::chrono::seconds{s.heard});
    f.moved.set(now - std::chrono::seconds{s.moved});
    f.keep_idle = s.keep_idle;
    f.peer_closed = s.peer_closed, f.shutdown_due = s.shutdown_due, f.lingering = s.lingering, f.aborted = s.aborted;
    f.broken = s.broken, f.unanswered = s.unanswered, f.error_queue = s.error_queue, f.urgent = s.urgent;
    f.peek_offset = s.peek_offset, f.keeps_place = s.keeps_place;
}

} // namespace

/// Not those to our name service that still look for a resolver: their next one would be another process' affair. What waits
/// behind gaps was never acknowledged, and is sent again. What is held until the guest has named its server (tls = "sni") must
/// not leave by another process: the guest's next segment is answered with a reset there.
void tcp_translator::give(tcp_receiver& to, instant now) noexcept
{
    std::array<bytes_view, pieces_of(migrate::most_to_socket)> to_socket;
    std::array<bytes_view, pieces_of(migrate::most_to_guest)> to_guest;
    flows_.for_each([&](const tcp_flow& f) {
        if (f.fd < 0 || f.store.held)
            return;
        auto s = portable(f, now);
        const auto slot = flows_.slot_of(f);
        const auto waiting = store_.gather(f.store, to_socket);
        s.to_guest = f.peek_offset ? 0 : sent_.length(slot);
        const auto kept = f.peek_offset ? 0 : sent_.gather(slot, 0, s.to_guest, to_guest);
        to.receive({s, f.fd, std::span{to_socket}.first(waiting), std::span{to_guest}.first(kept)});
    });
}

bool tcp_translator::take(const given_tcp& given, instant now) noexcept
{
    const auto& s = given.state;
    const endpoint remote{s.head.key.remote, s.head.key.remote_port}; // no policy is asked: who has one is not taken over
    auto* f = open_flow(s.head, s.head.key, {remote, {}}, now);
    if (f == nullptr)
        return false;
    set(*f, s, now);
    const auto slot = flows_.slot_of(*f);
    bool whole = f->peek_offset || ctx_.config->keeps_peer_octets();
    for (const auto piece : given.to_socket)
        whole = whole && store_.put(f->store, 0, piece).kept == piece.size();
    for (const auto piece : given.to_guest) {
        std::array<bytes_span, 2> places;
        const auto count = whole ? sent_.extend(slot, piece.size(), places) : 0;
        std::size_t at = 0;
        for (const auto place : std::span{places}.first(count)) {
            const auto part = std::min(place.size(), piece.size() - at);
            std::memcpy(place.data(), piece.data() + at, part);
            at += part;
        }
        sent_.keep(slot, at);
        whole = whole && at == piece.size();
    }
    if (!whole || !ctx_.poller.add(given.fd, token_of(source::tcp_flow, flows_.id_of(*f).value), os::trigger::edge)) {
        sent_.release(slot);
        store_.release(f->store);
        (void)erase_flow(*f, end_reason::socket_failed, now);
        return false;
    }
    f->fd = given.fd;
    ended_by_peer_ += f->peer_closed;
    if (f->unanswered)
        ++unanswered_[f->rule];
    if (!store_.reserve(f->c.rcv_limit() - tcp::initial_limit))
        f->c.rcv_limit_bits = std::countr_zero(tcp::initial_limit); // the window shrinks as the guest fills it
    if (f->keeps_place)
        (void)os::set_peek_offset(f->fd, f->c.in_flight());
    if (f->c.state == tcp::tcp_state::connecting)
        wait_for_host(*f, now);
    f->readable = f->c.synchronized();
    if (f->readable) {
        list_ready(*f);
        list_ack(*f);
    }
    arm(*f, now);
    return true;
}

} // namespace tapioca
