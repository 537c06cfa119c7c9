// How flows past the tap begin: with a client's datagram at a listening socket, on either side.

#include "daemon/os/socket.hpp"
#include "daemon/translate/egress.hpp"
#include "daemon/translate/limits.hpp"
#include "daemon/translate/udp_splice.hpp"
#include "proto/udp/segment_run.hpp"
#include "proto/wire/protocol.hpp"

#include <algorithm>
#include <cerrno>

namespace tapioca {

using report::counter;

namespace {

constexpr ip_address any(ip_family family) noexcept { return family == ip_family::ipv4 ? ip_address::v4(0) : ip_address{}; }

} // namespace

void udp_splice::from_listener(const listener_name& through, std::span<const os::incoming> got,
                               std::span<const bytes_view> octets, instant now) noexcept
{
    const auto& first = got.front();
    if (first.source.port == 0)
        return ctx_.counters.drop(drop_reason::no_translation, got.size());
    const flow_head head{.key = {first.local, first.source.address, through.port, first.source.port, wire::protocol_udp},
                         .origin = through.side == rule_side::host ? flow_origin::peer : flow_origin::guest,
                         .rule = through.rule};
    auto* f = flows_.find(head.key, [&](const udp_splice_flow& known) { return known.origin == head.origin; });
    if (f == nullptr)
        f = open(head, through, first, now);
    if (f == nullptr)
        return;
    std::array<os::outgoing, os::most_received> messages;
    std::size_t count = 0, datagrams = 0, moved = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
        if (got[i].truncated) {
            ctx_.counters.drop(drop_reason::truncated);
            continue;
        }
        messages[count++] = message_of(octets[i], got[i]);
        datagrams += datagrams_in(got[i].length, got[i].segment);
        moved += got[i].length;
    }
    (f->from_peer() ? f->octets.to_guest : f->octets.from_guest) += moved;
    f->from_peer() ? ctx_.count_to_guest(*f, moved) : ctx_.count_from_guest(*f, moved);
    f->life.on_guest(now, datagrams);
    arm(*f);
    send(f->fd, f->family(), {messages.data(), count});
}

udp_splice_flow* udp_splice::open(const flow_head& head, const listener_name& through, const os::incoming& in,
                                  instant now) noexcept
{
    const auto opening = decide_inbound(*ctx_.config, ctx_.arrival_at(through, in.source, in.local), ctx_.guest.addresses(), now);
    if (!opening) {
        ctx_.counters.drop(opening.why());
        return nullptr;
    }
    if (!opening->verdict.passes) { // nobody could be told: the kernel has taken the datagram on loopback
        report_denial(ctx_, flow_kind::udp_splice,
                      {in.source.address, opening->server.address, in.source.port, opening->server.port, wire::protocol_udp},
                      {opening->server, opening->verdict}, now);
        ctx_.counters.drop(drop_reason::egress_denied);
        return nullptr;
    }
    auto* f =
        open_flow(head, shown(opening->server, in.source), {opening->server, opening->verdict}, now, {in.local, through.port});
    if (f == nullptr)
        return nullptr;
    f->between = {in.source, in.local};
    f->server = opening->server;
    const auto done = connect(*f);
    if (done)
        return f;
    ctx_.counters.drop(drop_reason::socket_failed);
    if (done.error().value() != EAGAIN) // the namespace's sockets have run out for a moment
        ctx_.report(report::event_kind::socket_failed, now, shown(*f), done.error().value());
    (void)close(*f, end_reason::socket_failed, now);
    return nullptr;
}

bool udp_splice::lacks_sockets() const noexcept
{
    using kind = namespace_sockets::kind;
    return ctx_.in_namespace != nullptr && (ctx_.in_namespace->is_scarce(kind::udp4) || ctx_.in_namespace->is_scarce(kind::udp6));
}

os::result<os::unique_fd> udp_splice::make_socket(flow_origin client, ip_family family) noexcept
{
    if (client == flow_origin::guest)
        return os::udp_socket(family);
    using kind = namespace_sockets::kind;
    auto fd = ctx_.in_namespace == nullptr ? os::unique_fd{}
                                           : ctx_.in_namespace->take(family == ip_family::ipv4 ? kind::udp4 : kind::udp6);
    errno = EAGAIN;
    return fd ? os::result<os::unique_fd>{std::move(fd)} : os::result<os::unique_fd>{os::last_error()};
}

/// With the client's source port, unless that is privileged or taken on the server's side.
os::result<void> udp_splice::connect(udp_splice_flow& f) noexcept
{
    auto fd = make_socket(f.origin, f.family());
    if (!fd)
        return fd.error();
    if (f.family() == ip_family::ipv6)
        (void)os::set_v6_only(fd->get());
    (void)os::set_udp_gro(fd->get());
    (void)os::set_receive_buffer(fd->get(), limits::udp_receive_buffer);
    (void)os::bind(fd->get(), {any(f.family()), f.between.to.port});
    if (const auto connected = os::connect(fd->get(), f.server, path_to(*ctx_.config, f.server.address).scope); !connected)
        return connected.error();
    const auto id = token_of(source::udp_splice, flows_.id_of(f).value);
    if (const auto added = ctx_.poller.add(fd->get(), id, os::trigger::edge_input); !added)
        return added;
    f.fd = fd->release();
    return {};
}

} // namespace tapioca
