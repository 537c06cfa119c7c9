// Listening sockets, and connections that peers make to them.

#include "daemon/plane/plane.hpp"

#include "daemon/translate/egress.hpp"
#include "proto/wire/protocol.hpp"

#include <algorithm>

namespace tapioca {
namespace {

constexpr std::size_t most_accepts = 16; ///< in a turn

} // namespace

void plane::watch_listeners(const std::atomic<bool>& stop, instant now) noexcept
{
    for (auto i = listeners_.first_used(); i < listeners_.end_of_used() && !stop.load(std::memory_order_relaxed); ++i)
        watch(i, now);
}

void plane::watch(std::uint32_t listener, instant now) noexcept
{
    const auto* l = listeners_.find(listener);
    if (l == nullptr)
        return;
    const auto name = l->name;
    const auto watched = name.protocol == wire::protocol_tcp
                             ? ctx_.poller.add(l->fd(), token_of(source::tcp_listener, listener), os::trigger::level)
                             : ctx_.poller.add(l->fd(), token_of(source::udp_listener, listener), os::trigger::edge_input);
    if (watched)
        return;
    listeners_.remove(name); // peers are refused, in the place of waiting for ever
    ctx_.report(report::event_kind::listener_failed, now, {}, watched.error().value());
}

/// Connections that wait in it stay there.
void plane::rename_listener(const listener_name& from, const listener_name& to, instant now) noexcept
{
    const auto at = listeners_.rename(from, to);
    const auto* l = at ? listeners_.find(*at) : nullptr;
    if (l != nullptr && !ctx_.poller.change(l->fd(), token_of(source::tcp_listener, *at), os::trigger::level)) {
        listeners_.remove(to);
        ctx_.report(report::event_kind::listener_failed, now, {}, errno);
    }
}

/// Like the tap: a lone connection costs one call, and a crowd is taken in growing numbers.
void plane::accept_from(std::uint32_t listener, instant now) noexcept
{
    const auto* l = listeners_.find(listener);
    const auto most = turn_ == accept_turn_ + 1 ? accepts_ : 1;
    accept_turn_ = turn_;
    accepts_ = std::min(2 * most, most_accepts);
    for (std::size_t i = 0; l != nullptr && i < most; ++i) {
        auto connection = os::accept(l->fd());
        if (!connection && os::is_exhausted(connection.error())) {
            reset_waiting_connection(l->fd());
            continue;
        }
        if (!connection) {
            accepts_ = std::max<std::size_t>(i, 1);
            return;
        }
        if (!pass_on(*connection, l->name))
            take_connection(std::move(*connection), l->name, now);
    }
}

/// Gives an accepted connection to a worker that is a better place for it. False if there is none, or its mailbox is full.
bool plane::pass_on(os::accepted& connection, const listener_name& through) noexcept
{
    if (ctx_.others == nullptr)
        return false;
    if (way_of(*ctx_.config, ctx_.arrival_at(through, connection.peer)) == flow_way::bypass && !ctx_.others->is_crowded())
        return false; // it costs little: one worker keeps many peers busy
    const auto to = ctx_.others->better_place(flow_origin::peer, ctx_.rule_of(through).target_port(through.port));
    return to && ctx_.others->hand_over(*to, connection, through);
}

void plane::take_connection(os::accepted connection, const listener_name& through, instant now) noexcept
{
    auto arrived = ctx_.arrival_at(through, connection.peer);
    if (depends_on_address(*ctx_.config, arrived))
        if (const auto local = os::local_endpoint(connection.fd.get()))
            arrived.to = local->address;
    const auto opening = decide_inbound(*ctx_.config, arrived, ctx_.guest.addresses(), now);
    if (!opening) {
        if (ctx_.config->splice_only || way_of(*ctx_.config, arrived) == flow_way::bypass)
            ctx_.counters.add(report::counter::splice_refused);
        else
            ctx_.counters.drop(opening.why());
        return os::reset_on_close(connection.fd.get());
    }
    if (!opening->verdict.passes) {
        report_denial(
            ctx_, flow_kind::tcp_splice,
            {connection.peer.address, opening->server.address, connection.peer.port, opening->server.port, wire::protocol_tcp},
            {opening->server, opening->verdict}, now);
        ctx_.counters.drop(drop_reason::egress_denied);
        return os::reset_on_close(connection.fd.get());
    }
    if (opening->way == flow_way::bypass)
        tcp_splice_.from_listener(std::move(connection), through, {opening->server, opening->verdict}, now);
    else
        tcp_.from_peer(std::move(connection), through, opening->seen, now);
}

/// No descriptor is left for the connection that waits, which would wake us for ever: it is taken with the spare one, and reset.
void plane::reset_waiting_connection(int listener) noexcept
{
    ctx_.counters.drop(drop_reason::socket_failed);
    give_up_spare_fd();
    if (const auto connection = os::accept(listener))
        os::reset_on_close(connection->fd.get());
    reserve_spare_fd();
}

void plane::reserve_spare_fd() noexcept
{
    if (auto spare = os::udp_socket(ip_family::ipv4))
        spare_ = std::move(*spare);
}

} // namespace tapioca
