// How TCP connections begin, and how they are refused.

#include "daemon/translate/egress.hpp"
#include "daemon/translate/limits.hpp"
#include "daemon/translate/resolvers.hpp"
#include "daemon/translate/tcp_translator.hpp"
#include "daemon/translate/to_guest.hpp"
#include "proto/forward/address_mapping.hpp"
#include "proto/tcp/from_wire.hpp"

#include <algorithm>
#include <cerrno>

namespace tapioca {

using report::counter;

namespace {

/// An error about the guest's SYN.
guest_error error_about(const tcp_flow& f) noexcept
{
    return {.offender = f.key.remote, .sequence = f.c.irs.value(), .payload_length = 12};
}

} // namespace

/// RFC 6528: a keyed hash of the connection plus a clock; the flow table's key serves, as neither value leaves the process.
seq_number tcp_translator::initial_sequence(const flow_key& key, instant now) const noexcept
{
    const auto hash = hash_of(key, {ctx_.config->secret.k1, ctx_.config->secret.k0});
    const auto ticks = static_cast<std::uint64_t>(now.time_since_epoch().count()) >> 5;
    return seq_number{static_cast<std::uint32_t>(hash ^ hash >> 32) + static_cast<std::uint32_t>(ticks)};
}

/// What fits the guest's MTU behind the headers; above a page, whole pages, so that its buffers stay aligned.
std::uint16_t tcp_translator::largest_mss(ip_family family) const noexcept
{
    constexpr unsigned page = 4096;
    const unsigned headers = family == ip_family::ipv4 ? 40 : 60;
    const unsigned mtu = ctx_.config->net.mtu == 0 ? 1500 : ctx_.config->net.mtu;
    const unsigned fits = mtu > headers + tcp::default_mss ? mtu - headers : tcp::default_mss;
    return static_cast<std::uint16_t>(fits > page ? fits / page * page : fits);
}

/// A new flow that is ours; null if there is no room for it, which is counted.
tcp_flow* tcp_translator::insert(const flow_head& head, const outbound_opening& leads, instant now,
                                 const endpoint& accepted_at) noexcept
{
    auto* f = open_flow(head, head.key, leads, now, accepted_at);
    if (f == nullptr)
        return nullptr;
    f->heard.set(now);
    f->moved.set(now);
    f->small = ctx_.others != nullptr && ctx_.others->are_small(f->origin, service_port(*f));
    small_count_ += f->small;
    return f;
}

void tcp_translator::open(const packet& p, const wire::tcp_segment& s, instant now) noexcept
{
    const auto key = key_of(p, wire::protocol_tcp);
    const auto to = destination_of(ctx_, key, now);
    if (!to) {
        ctx_.counters.drop(to.why());
        if (is_denial(to.why()))
            tell_of_denial(ctx_, key, {.sequence = s.seq.value(), .ttl = p.ttl, .tos = p.tos, .payload_length = 12});
        return to.why() == drop_reason::no_resolver ? reset_stray(p, s) : void();
    }
    auto* f = insert(flow_head{.key = key}, *to, now);
    if (f == nullptr)
        return;
    const std::size_t mtu = ctx_.config->net.mtu == 0 ? 1500 : ctx_.config->net.mtu;
    const auto fits = mtu - (key.guest.is_v4() ? 40 : 60);
    const auto largest = static_cast<std::uint16_t>(std::min<std::size_t>(fits, 65535 - 60 - 14));
    f->c.open_from_guest(tcp::without_octets(s), initial_sequence(key, now), largest);

    hold_for_server_name(*f, *to);
    if (asks_names(ctx_, key))
        note_resolver(*f, to->to.address, now);
    const auto progress = connect(*f, to->to, p.ttl);
    if (!progress)
        return (void)refuse(*f, progress.error().value(), now);
    if (*progress == os::connect_progress::connected)
        (void)finish_connect(*f, now);
    else
        wait_for_host(*f, now);
}

/// Who calls many that never answer, as a scan of ports does, displaces his own oldest attempts: the newest may be answered. The
/// guest hears nothing, and its next SYN begins a new attempt.
void tcp_translator::wait_for_host(tcp_flow& f, instant now) noexcept
{
    if (connecting_.size() >= ctx_.config->connecting_flows || connecting_.full())
        if (auto* oldest = flows_.at_slot(connecting_.oldest())) {
            ctx_.counters.add(counter::tcp_connects_displaced);
            (void)close(*oldest, end_reason::displaced, now);
        }
    f.connecting = connecting_.add(flows_.slot_of(f));
    arm(f, now);
}

void tcp_translator::stop_waiting_for_host(tcp_flow& f) noexcept
{
    if (f.connecting == 0)
        return;
    connecting_.remove(f.connecting);
    f.connecting = 0;
}

/// A socket on its way to where the guest wants to go.
os::result<os::connect_progress> tcp_translator::connect(tcp_flow& f, const endpoint& to, octet ttl) noexcept
{
    const auto family = f.key.remote.family();
    const auto path = path_to(*ctx_.config, to.address);
    auto fd = os::tcp_socket(family);
    if (!fd)
        return fd.error();
    f.fd = fd->release();
    if (!path.interface.empty())
        if (const auto bound = os::bind_to_device(f.fd, path.interface); !bound)
            return bound.error();
    if (!path.from.is_unspecified())
        if (const auto bound = os::bind(f.fd, {path.from, 0}); !bound)
            return bound.error();
    choose_keeper(f, false);
    if (ttl != usual_ttl) { // a path is being traced: the errors on it matter until the connection stands
        (void)os::set_ttl(f.fd, family, ttl);
        f.error_queue = os::set_receive_errors(f.fd, family, true).has_value();
    }
    const auto progress = os::connect(f.fd, to, path.scope);
    if (!progress)
        return progress.error();
    if (const auto added = ctx_.poller.add(f.fd, token_of(source::tcp_flow, flows_.id_of(f).value), os::trigger::edge); !added)
        return added.error();
    return *progress;
}

/// The host does not connect: the guest gets the answer that gives its socket the same errno, and the flow ends, unless another
/// resolver may do.
flow_alive tcp_translator::refuse(tcp_flow& f, int error, instant now) noexcept
{
    if (const auto alive = ask_next_resolver(f, error, now))
        return *alive;
    ctx_.counters.add(counter::tcp_connect_failed);
    report_refusal(f, error, now);
    report_to_guest(f, error);
    return close(f, end_reason::connect_failed, now);
}

void tcp_translator::report_to_guest(const tcp_flow& f, int error) noexcept
{
    if (error == ETIMEDOUT || report_failure(ctx_, f.key, error, error_about(f))) // the guest's own timer says so, too
        return;
    const auto slot = ctx_.tap.acquire(); // ECONNREFUSED and whatever has no other name
    const tcp_emission e{.seq = {}, .ack = f.c.rcv_nxt, .flags = wire::tcp_rst | wire::tcp_ack};
    wire::virtio_net_header vnet;
    const auto headers = emit_tcp(slot.data(), ctx_.link(), f.key, e, vnet);
    if (ctx_.tap.commit(vnet, headers, 0))
        ctx_.counters.add(counter::tcp_resets_to_guest);
}

/// Relays what routers said while the socket was connecting: TTL exceeded, for traceroute over TCP. True if they said anything.
bool tcp_translator::relay_error_queue(tcp_flow& f) noexcept
{
    const auto to = peer_of(f);
    bool told = false;
    take_queued_errors(f.fd, [&](const os::queued_error& entry, bytes_view) {
        told = relay_error(ctx_, f.key, entry, to, error_about(f)) || told;
    });
    return told;
}

/// RFC 9293 section 3.10.7.1: a segment of no connection is answered with a reset, unless it is one.
void tcp_translator::answer_stray(const packet& p, const wire::tcp_segment& s) noexcept
{
    ctx_.counters.drop(drop_reason::no_flow);
    reset_stray(p, s);
}

void tcp_translator::reset_stray(const packet& p, const wire::tcp_segment& s) noexcept
{
    if (s.has(wire::tcp_rst) || !p.source.is_unicast() || !p.destination.is_unicast())
        return;
    tcp_emission e;
    if (s.has(wire::tcp_ack)) {
        e.seq = s.ack;
        e.flags = wire::tcp_rst;
    } else {
        e.ack = s.seq + s.length();
        e.flags = wire::tcp_rst | wire::tcp_ack;
    }
    const auto slot = ctx_.tap.acquire();
    wire::virtio_net_header vnet;
    const auto headers = emit_tcp(slot.data(), ctx_.link(), key_of(p, wire::protocol_tcp), e, vnet);
    if (ctx_.tap.commit(vnet, headers, 0))
        ctx_.counters.add(counter::tcp_resets_to_guest);
}

void tcp_translator::from_peer(os::accepted connection, const listener_name& through, const inbound& seen, instant now) noexcept
{
    const auto family = connection.peer.address.family();
    if (unanswered_[through.rule] >= ctx_.config->unanswered_flows) {
        os::reset_on_close(connection.fd.get());
        return ctx_.counters.drop(drop_reason::unanswered_share);
    }
    const flow_key usual{seen.guest, seen.source.address, seen.destination.port, seen.source.port, wire::protocol_tcp};
    auto* before = flows_.find(usual);
    if (before == nullptr && ctx_.others != nullptr) // who has the one before knows whether it is over
        if (const auto owner = ctx_.others->owner(hash_of(usual, ctx_.config->secret)))
            if (ctx_.others->hand_over(*owner, connection, through))
                return;
    if (before != nullptr && !make_way(*before) && !os::peer_endpoint(before->fd))
        (void)close(*before, end_reason::replaced,
                    now); // its connection is over on the host, where the peer takes its port again
    const auto key = free_key(usual);
    endpoint accepted_at;
    if (ctx_.reports_flows())
        if (const auto local = os::local_endpoint(connection.fd.get()))
            accepted_at = *local;
    if (!key)
        ctx_.counters.drop(drop_reason::flow_table_full);
    auto* f = key ? insert(flow_head{.key = *key, .origin = flow_origin::peer, .rule = through.rule}, {connection.peer, {}}, now,
                           accepted_at)
                  : nullptr;
    if (f == nullptr)
        return os::reset_on_close(connection.fd.get());
    f->fd = connection.fd.release();
    f->unanswered = true;
    ++unanswered_[f->rule];
    f->readable = true;
    choose_keeper(*f, true);
    if (!ctx_.poller.add(f->fd, token_of(source::tcp_flow, flows_.id_of(*f).value), os::trigger::edge)) {
        os::reset_on_close(f->fd);
        return (void)close(*f, end_reason::socket_failed, now);
    }
    (void)apply(*f, {f->c.open_to_guest(initial_sequence(*key, now), largest_mss(family), now)}, now);
}

/// The guest has answered a peer's connection, or it ends without an answer.
void tcp_translator::on_answered(tcp_flow& f) noexcept
{
    if (!f.unanswered)
        return;
    f.unanswered = false;
    --unanswered_[f.rule];
}

flow_alive tcp_translator::on_connect_event(tcp_flow& f, const os::event& e, instant now) noexcept
{
    const bool told = f.error_queue && e.error && relay_error_queue(f);
    const int error = e.error || e.closed_by_peer ? os::take_error(f.fd) : 0;
    if (told && (error != 0 || e.hung_up)) { // taking the last entry off the queue takes the socket's error with it
        ctx_.counters.add(counter::tcp_connect_failed);
        return close(f, end_reason::connect_failed, now);
    }
    if (error != 0 || e.hung_up)
        return refuse(f, error != 0 ? error : ECONNABORTED, now);
    if (!e.writable)
        return flow_alive::yes;
    f.readable = f.readable || e.readable || e.closed_by_peer;
    if (e.closed_by_peer)
        note_end(f);
    f.urgent = f.urgent || e.urgent;
    return finish_connect(f, now);
}

/// From here on errors on the path are the kernel's matter.
flow_alive tcp_translator::finish_connect(tcp_flow& f, instant now) noexcept
{
    stop_waiting_for_host(f);
    note_resolver_connected(f, now);
    if (f.error_queue) {
        (void)os::set_receive_errors(f.fd, f.key.remote.family(), false);
        f.error_queue = false;
    }
    return apply(f, {f.c.on_connected(now)}, now);
}

} // namespace tapioca
