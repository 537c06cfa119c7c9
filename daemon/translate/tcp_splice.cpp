// How spliced connections begin and end.

#include "daemon/translate/tcp_splice.hpp"

#include "proto/forward/bypass.hpp"
#include "proto/wire/protocol.hpp"

#include <algorithm>
#include <cerrno>

namespace tapioca {

using report::counter;

namespace {

constexpr unsigned host_end = 0, guest_end = 1;
constexpr source sources[] = {source::tcp_splice_host, source::tcp_splice_guest};

} // namespace

tcp_splice::tcp_splice(context& ctx, std::size_t capacity, std::size_t large_pipes, instant start)
    : flows_of(ctx, capacity, start), waiting_memory_(most_waiting * sizeof(waiting_flow)),
      waiting_(waiting_memory_.as<waiting_flow>()), pipes_(large_pipes)
{
    if (ctx.in_namespace != nullptr || !ctx.config->guest_rules.empty())
        (void)pipes_.can_hold(1); // one is there before descriptors run out
}

tcp_splice::~tcp_splice()
{
    flows_.for_each([](tcp_splice_flow& f) {
        for (const auto& end : f.ends)
            if (end.fd >= 0)
                os::close(end.fd);
    });
}

void tcp_splice::from_listener(os::accepted connection, const listener_name& through, const outbound_opening& leads,
                               instant now) noexcept
{
    const unsigned side = through.side == rule_side::host ? host_end : guest_end;
    auto* f = open(connection, side, through.rule, leads, now);
    if (f == nullptr) {
        ctx_.counters.add(counter::splice_refused);
        return os::reset_on_close(connection.fd.get());
    }
    if (waiting_count_ != 0 && f->from_peer()) { // behind whoever waits already
        (void)wait_for_socket(*f, now);
        return sockets_refilled(now);
    }
    (void)reach_server(*f, now);
}

flow_alive tcp_splice::reach_server(tcp_splice_flow& f, instant now) noexcept
{
    if (auto socket = take_socket(f, now))
        return connect(f, std::move(socket), now);
    return f.from_peer() ? wait_for_socket(f, now) : abort(f, end_reason::socket_failed, now);
}

/// The accepted end of a new flow; null if there is no room for it.
tcp_splice_flow* tcp_splice::open(os::accepted& connection, unsigned side, std::uint16_t rule, const outbound_opening& leads,
                                  instant now) noexcept
{
    const auto& to = leads.to;
    flow_key key{to.address, connection.peer.address, to.port, connection.peer.port, wire::protocol_tcp};
    if (side == guest_end)
        key = {connection.peer.address, to.address, connection.peer.port, to.port, wire::protocol_tcp};
    const auto origin = side == host_end ? flow_origin::peer : flow_origin::guest;
    auto* f = open_flow(flow_head{.key = key, .origin = origin, .rule = rule}, key, leads, now);
    if (f == nullptr)
        return nullptr;
    auto& end = f->ends[side];
    end.fd = connection.fd.get();
    end.connected = end.readable = true;
    if (watch(*f, side)) {
        (void)connection.fd.release();
        return f;
    }
    end.fd = -1;
    (void)close(*f, end_reason::socket_failed, now);
    return nullptr;
}

os::token tcp_splice::token_of(const tcp_splice_flow& f, unsigned side) const noexcept
{
    return tapioca::token_of(sources[side], flows_.id_of(f).value);
}

os::result<void> tcp_splice::watch(tcp_splice_flow& f, unsigned side) noexcept
{
    return ctx_.poller.add(f.ends[side].fd, token_of(f, side), os::trigger::edge_stream_input);
}

/// An unconnected socket for the other end: of the namespace, or of the host.
os::unique_fd tcp_splice::take_socket(const tcp_splice_flow& f, instant now) noexcept
{
    const auto family = (f.from_peer() ? f.key.guest : f.key.remote).family();
    if (f.from_peer()) {
        using kind = namespace_sockets::kind;
        return ctx_.in_namespace == nullptr ? os::unique_fd{}
                                            : ctx_.in_namespace->take(family == ip_family::ipv4 ? kind::tcp4 : kind::tcp6);
    }
    auto socket = os::tcp_socket(family);
    if (socket)
        return std::move(*socket);
    ctx_.counters.drop(drop_reason::socket_failed);
    ctx_.report(report::event_kind::socket_failed, now, f.key, socket.error().value());
    return {};
}

flow_alive tcp_splice::wait_for_socket(tcp_splice_flow& f, instant now) noexcept
{
    if (ctx_.in_namespace == nullptr || waiting_count_ == waiting_.size()) {
        ctx_.counters.drop(drop_reason::socket_failed);
        return abort(f, end_reason::socket_failed, now);
    }
    waiting_[(waiting_first_ + waiting_count_++) % waiting_.size()] = {flows_.id_of(f), now + socket_patience};
    return flow_alive::yes;
}

void tcp_splice::sockets_refilled(instant now) noexcept
{
    for (; waiting_count_ != 0; --waiting_count_) {
        if (auto* f = flows_.find(waiting_[waiting_first_].id)) {
            auto socket = take_socket(*f, now);
            if (!socket)
                return;
            (void)connect(*f, std::move(socket), now);
        }
        waiting_first_ = (waiting_first_ + 1) % waiting_.size();
    }
}

flow_alive tcp_splice::connect(tcp_splice_flow& f, os::unique_fd socket, instant now) noexcept
{
    const unsigned side = f.from_peer() ? guest_end : host_end;
    const auto to = f.from_peer() ? endpoint{f.key.guest, f.key.guest_port} : endpoint{f.key.remote, f.key.remote_port};
    auto &end = f.ends[side], &client = f.ends[1 - side];
    const auto said = client.held == 0 ? read_ahead(client) : os::result<std::size_t>{0U};
    if (!said) // it has gone already
        return abort(f, reset_by(1 - side), now);
    if (*said != 0 || client.held != 0) // else the server may be the one who speaks first
        os::end_handshake_with_data(socket.get());
    end.fd = socket.release();
    const auto outcome = os::connect(end.fd, to);
    const auto watched = outcome ? watch(f, side) : os::result<void>{outcome.error()};
    if (!watched) {
        if (*said != 0 && !keep(client, bytes_view{buffer_}.first(*said)))
            return abort(f, end_reason::socket_failed, now);
        return fail_to_connect(f, watched.error().value(), now);
    }
    end.connected = *outcome == os::connect_progress::connected;
    read_ahead_ = *said;
    return move(f, now);
}

/// True if the server may have another address, which was not tried yet: from now on the flow leads there.
bool tcp_splice::turn_to_other_family(tcp_splice_flow& f) noexcept
{
    const auto& config = *ctx_.config;
    auto &server = f.ends[f.from_peer() ? guest_end : host_end], &client = f.ends[f.from_peer() ? host_end : guest_end];
    auto& tried = f.from_peer() ? f.key.guest : f.key.remote;
    const bypass_request request{.side = f.from_peer() ? rule_side::host : rule_side::guest,
                                 .protocol = wire::protocol_tcp,
                                 .client = {},
                                 .asked = {},
                                 .server_port = f.from_peer() ? f.key.guest_port : f.key.remote_port};
    const auto other = other_bypass_destination(request, tried, config.host_loopback_to_namespace, ctx_.guest.addresses(),
                                                config.host_rules, config.guest_rules);
    if (!other || f.second_try || client.failed || server.connected)
        return false;
    f.second_try = true;
    f.ending = false;
    tried = *other;
    os::close(server.fd);
    server = {};
    return true;
}

flow_alive tcp_splice::fail_to_connect(tcp_splice_flow& f, int error, instant now) noexcept
{
    if (turn_to_other_family(f))
        return reach_server(f, now);
    ctx_.counters.add(counter::spliced_connect_failed);
    report_refusal(f, error, now);
    return abort(f, end_reason::connect_failed, now);
}

/// Why there is no connection; nothing if there is one. A server may have answered and gone before we look: then there is
/// something to read, and it was no refusal.
std::optional<int> tcp_splice::why_refused(const tcp_splice_end& end, const os::event& e) noexcept
{
    if (!e.error && !e.hung_up)
        return std::nullopt;
    octet first;
    const auto left = os::peek(end.fd, {&first, 1});
    if (left && *left != 0)
        return std::nullopt;
    return left ? ECONNABORTED : left.error().value();
}

void tcp_splice::from_socket(unsigned side, flow_id id, const os::event& e, instant now) noexcept
{
    auto* f = flows_.find(id);
    if (f == nullptr)
        return;
    auto &end = f->ends[side], &other = f->ends[1 - side];
    if (!end.connected)
        if (const auto error = why_refused(end, e))
            return (void)fail_to_connect(*f, *error, now);
    end.connected = true;
    if (e.error && other.fd < 0) // nobody would hear what it sent
        return (void)abort(*f, reset_by(side), now);
    if (e.error)
        end.note_failure();
    end.readable = end.readable || ((e.readable || e.closed_by_peer || e.error) && !end.ended);
    end.writable = end.writable || e.writable;
    end.peer_closed = end.peer_closed || e.closed_by_peer;
    end.urgent = end.urgent || e.urgent;
    if (other.fd >= 0 && (end.failed || end.has_something() || other.has_something()))
        list_ready(*f);
}

void tcp_splice::end_turn(instant now) noexcept
{
    ready_.run(
        flows_, [] { return true; }, [&](tcp_splice_flow& f) { (void)move(f, now); });
    pipes_.end_turn();
}

void tcp_splice::expire(instant now) noexcept
{
    for (; waiting_count_ != 0 && waiting_[waiting_first_].until <= now; --waiting_count_) {
        auto* f = flows_.find(waiting_[waiting_first_].id);
        waiting_first_ = (waiting_first_ + 1) % waiting_.size();
        if (f == nullptr)
            continue;
        ctx_.counters.drop(drop_reason::socket_failed);
        (void)abort(*f, end_reason::socket_failed, now);
    }
    wheel_.expire(now, [&](std::uint32_t slot) {
        if (auto* f = flows_.at_slot(slot))
            try_again(*f, now);
    });
}

/// Octets may have waited for long without an event.
void tcp_splice::try_again(tcp_splice_flow& f, instant now) noexcept
{
    const auto long_ago = milliseconds(now - patience_of(f));
    bool waits = false;
    for (unsigned side = 0; side < 2; ++side) {
        auto &from = f.ends[side], &to = f.ends[1 - side];
        if (!from.has_something() || to.writable)
            continue;
        waits = true;
        if (static_cast<std::int32_t>(from.moved - long_ago) <= 0)
            to.writable = f.retried = true;
    }
    if (f.ending) {
        list_ready(f);
    } else if (f.retried) {
        f.patience = std::min<std::uint8_t>(f.patience + 1, 6);
        list_ready(f);
    } else if (waits) {
        wheel_.arm_no_later(flows_.slot_of(f), now + patience_of(f));
    }
}

instant tcp_splice::next_deadline() const noexcept
{
    return waiting_count_ == 0 ? wheel_.next() : std::min(wheel_.next(), waiting_[waiting_first_].until);
}

flow_alive tcp_splice::abort(tcp_splice_flow& f, end_reason why, instant now) noexcept
{
    for (const auto& end : f.ends)
        if (end.fd >= 0)
            os::reset_on_close(end.fd);
    return close(f, why, now);
}

flow_alive tcp_splice::close(tcp_splice_flow& f, end_reason why, instant now) noexcept
{
    const auto octets = octets_of(f);
    for (auto& end : f.ends) {
        return_pipe(end);
        if (end.fd >= 0)
            os::close(end.fd);
    }
    return erase_flow(f, why, now, octets);
}

} // namespace tapioca
