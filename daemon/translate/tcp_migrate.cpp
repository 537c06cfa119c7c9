// Connections that leave for another host with their guest, and those that come with one. What leaves is described while the
// plane is frozen, stays as it is until it is known whether the guest has arrived, and then goes on or is forgotten.
// doc/migration.md has the whole.

#include "daemon/translate/tcp_translator.hpp"
#include "proto/migrate/tcp_state.hpp"

#include <bit>

namespace tapioca {

using migrate::event;

/// Not what is over for one side: there is no record of that. Nor what is held until the guest has named its server.
bool tcp_translator::can_depart(const tcp_flow& f) noexcept
{
    return f.fd >= 0 && migrate::can_travel(f.c) && !f.broken && !f.aborted && !f.lingering && !f.store.held;
}

std::vector<departing_flow> tcp_translator::departing()
{
    std::vector<departing_flow> all;
    all.reserve(flows_.size());
    flows_.for_each([&](const tcp_flow& f) {
        if (!can_depart(f))
            return;
        departing_flow d{flows_.id_of(f), f.fd, migrate::record_of(f, f.c)};
        if (f.peer_closed)
            d.record.add(event::peer_finished);
        if (f.c.guest_finished() && !f.shutdown_due)
            d.record.add(event::shut_to_peer);
        all.push_back(d);
    });
    return all;
}

namespace {

template <class Gather>
void append_pieces(std::vector<octet>& to, std::size_t octets, Gather gather)
{
    std::vector<bytes_view> pieces(octets / tcp::chunk_pool::chunk_octets + 2);
    pieces.resize(gather(std::span{pieces}));
    for (const auto piece : pieces)
        to.insert(to.end(), piece.begin(), piece.end());
}

} // namespace

void tcp_translator::add_stored(flow_id id, std::vector<octet>& for_peer)
{
    if (const auto* f = flows_.find(id))
        append_pieces(for_peer, f->store.length(), [&](std::span<bytes_view> pieces) { return store_.gather(f->store, pieces); });
}

void tcp_translator::add_unacknowledged(flow_id id, std::vector<octet>& for_guest)
{
    const auto* f = flows_.find(id);
    if (f == nullptr || f->peek_offset)
        return;
    const auto slot = flows_.slot_of(*f);
    const auto length = sent_.length(slot);
    append_pieces(for_guest, length, [&](std::span<bytes_view> pieces) { return sent_.gather(slot, 0, length, pieces); });
}

void tcp_translator::thaw(instant now) noexcept
{
    flows_.for_each([&](tcp_flow& f) {
        if (f.fd < 0 || !f.c.synchronized())
            return;
        if (f.keeps_place)
            (void)os::set_peek_offset(f.fd, f.c.in_flight());
        f.readable = true;
        list_ready(f);
        arm(f, now);
        if (f.store.length() != 0)
            send_stored(f, now);
    });
}

void tcp_translator::end_handshakes(instant now) noexcept
{
    flows_.for_each([&](tcp_flow& f) {
        if (!f.c.synchronized() && !f.lingering)
            (void)abort(f, end_reason::migrated, now);
    });
}

void tcp_translator::leave(instant now) noexcept
{
    flows_.for_each([&](tcp_flow& f) {
        if (can_depart(f))
            (void)close(f, end_reason::migrated, now);
    });
}

bool tcp_translator::settle(arriving_flow& from, instant now) noexcept
{
    const auto head = migrate::head_of(from.record);
    auto* f = owns(head.key) ? nullptr : insert(head, {from.record.peer, {}}, now);
    if (f == nullptr)
        return false;
    f->fd = from.fd.release();
    f->c = migrate::connection_of(from.record, now);
    f->peer_closed = from.record.has(event::peer_finished);
    ended_by_peer_ += f->peer_closed;
    choose_keeper(*f, from.accepted);
    if (!f->peek_offset) // what it has not acknowledged is in the socket: from there it is read again
        f->c.snd_nxt = f->c.snd_una;
    // A window that was offered stays open, if there is memory for that.
    const auto offered = static_cast<std::uint32_t>(f->c.rcv_adv - f->c.rcv_nxt);
    const auto limit = std::min(std::bit_ceil(std::max(offered, tcp::initial_limit)), largest_window);
    if (store_.reserve(limit - tcp::initial_limit))
        f->c.rcv_limit_bits = static_cast<unsigned>(std::countr_zero(limit)) & 0x1fU;
    const bool kept = store_.put(f->store, 0, from.left_behind).kept == from.left_behind.size();
    if (!kept || !ctx_.poller.add(f->fd, token_of(source::tcp_flow, flows_.id_of(*f).value), os::trigger::edge)) {
        (void)abort(*f, end_reason::socket_failed, now);
        return true;
    }
    f->shutdown_due = from.finishes && !from.left_behind.empty();
    if (from.finishes && !f->shutdown_due)
        os::shutdown_write(f->fd);
    f->readable = true;
    list_ready(*f);
    list_ack(*f);
    arm(*f, now);
    return true;
}

void tcp_translator::refuse_arrival(const migrate::flow_record& record) noexcept
{
    const auto slot = ctx_.tap.acquire();
    const tcp_emission e{.seq = record.to_guest, .ack = record.from_guest, .flags = wire::tcp_rst | wire::tcp_ack};
    wire::virtio_net_header vnet;
    const auto headers = emit_tcp(slot.data(), ctx_.link(), migrate::head_of(record).key, e, vnet);
    if (ctx_.tap.commit(vnet, headers, 0))
        ctx_.counters.add(report::counter::tcp_resets_to_guest);
}

} // namespace tapioca
