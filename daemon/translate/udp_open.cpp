// How UDP flows begin: with a datagram of the guest, or with one of a peer at a listening socket.

#include "daemon/translate/limits.hpp"
#include "daemon/translate/to_guest.hpp"
#include "daemon/translate/udp_translator.hpp"
#include "proto/forward/rules.hpp"
#include "proto/wire/udp.hpp"

#include <cerrno>

namespace tapioca {

using report::counter;

namespace {

constexpr octet multicast_ttl = 1; ///< what sockets give multicast by default: ip(7), RFC 3493 section 5.2

/// Errors of a listening socket are about nobody's datagrams; left in the queue they would wake us for ever.
void drain_errors(int fd) noexcept
{
    for (int i = 0; i < limits::errors_per_turn && os::take_queued_error(fd, {}); ++i) {
    }
    (void)os::take_error(fd);
}

} // namespace

udp_flow* udp_translator::insert(const flow_key& key, instant now) noexcept
{
    auto* f = ctx_.open_flow(flows_, key, now);
    if (f != nullptr)
        ctx_.counters.add(counter::udp_flows_opened);
    return f;
}

udp_flow* udp_translator::open(const flow_key& key, const packet& p, instant now) noexcept
{
    auto* f = insert(key, now);
    if (f == nullptr)
        return nullptr;
    auto from = ctx_.outbound(key.guest.family());
    if (from.is_unspecified() && key.guest.is_v4())
        from = ip_address::v4(0);
    if (const auto done = connect(*f, {from, p.source_port}, peer_of(key), p.ttl); !done) {
        const int error = done.error().value();
        if (const auto cause = cause_of(error, key.guest.family())) {
            guest_error e{.cause = *cause, .ttl = p.ttl, .tos = p.tos};
            if (const auto datagram = wire::parse_udp(p.l4))
                e.payload = datagram->payload;
            e.payload_length = e.payload.size();
            send_error(ctx_, key, e);
        }
        fail(*f, error, now);
        return nullptr;
    }
    return f;
}

void udp_translator::fail(udp_flow& f, int error, instant now) noexcept
{
    ctx_.counters.drop(drop_reason::socket_failed);
    ctx_.report(report::event_kind::socket_failed, now, f.key, error);
    close(f, now);
}

endpoint udp_translator::peer_of(const flow_key& key) const noexcept
{
    return outbound_destination(ctx_.config.xlat, wire::protocol_udp, {key.remote, key.remote_port});
}

/// Multicast inside one link needs its interface named, like a link-local address (RFC 4007 section 6).
unsigned udp_translator::scope_of(const ip_address& a) const noexcept
{
    return !a.is_v4() && a.is_multicast() ? ctx_.config.scope6 : ctx_.scope_of(a);
}

os::result<void> udp_translator::connect(udp_flow& f, const endpoint& local, const endpoint& to, octet ttl) noexcept
{
    const auto family = f.key.guest.family();
    auto fd = os::udp_socket(family);
    if (!fd)
        return fd.error();
    f.fd = fd->release();
    (void)os::share_port(f.fd);
    if (family == ip_family::ipv6)
        (void)os::set_v6_only(f.fd);
    (void)os::set_receive_errors(f.fd, family, true);
    (void)os::set_udp_gro(f.fd);
    (void)os::set_receive_buffer(f.fd, limits::udp_receive_buffer);
    if (const auto& name = ctx_.outbound_interface(family); !name.empty())
        if (const auto bound = os::bind_to_device(f.fd, name); !bound)
            return bound;
    if (const auto bound = bind(f, local); !bound)
        return bound;
    // The route's own hop limit may differ from what a fresh socket says, so an IPv6 socket is always told.
    if (to.address.is_multicast())
        f.ttl = multicast_ttl;
    else if ((family == ip_family::ipv4 && ttl == default_ttl_) || os::set_ttl(f.fd, family, ttl))
        f.ttl = ttl;
    if (const auto connected = os::connect(f.fd, to, scope_of(to.address)); !connected)
        return connected.error();
    const os::token id{static_cast<std::uint8_t>(source::udp_flow), flows_.id_of(f).value};
    return ctx_.poller.add(f.fd, id, os::trigger::edge_input);
}

/// The guest's own port if the host lets us have it; a privileged or busy one becomes another.
os::result<void> udp_translator::bind(const udp_flow& f, const endpoint& local) noexcept
{
    const auto scope = scope_of(local.address);
    auto bound = os::bind(f.fd, local, scope);
    if (!bound && (bound.error().value() == EACCES || bound.error().value() == EADDRINUSE))
        bound = os::bind(f.fd, {local.address, 0}, scope);
    return bound;
}

udp_flow* udp_translator::open_from_peer(const listener_name& through, const os::incoming& in, instant now) noexcept
{
    const auto& peer = in.source.address;
    const auto v6 = peer.is_link_local() || ctx_.guest.v6().is_unspecified() ? ctx_.guest.link_local() : ctx_.guest.v6();
    const auto guest = peer.is_v4() ? ctx_.guest.v4() : v6;
    const auto seen_as = inbound_source(ctx_.config.xlat, peer, guest);
    if (!seen_as || guest.is_unspecified() || in.source.port == 0) {
        ctx_.counters.drop(drop_reason::no_translation);
        return nullptr;
    }
    const flow_key key{guest, *seen_as, ctx_.rule_of(through).target_port(through.port), in.source.port, wire::protocol_udp};
    if (auto* known = flows_.find(key))
        return known;
    auto* f = insert(key, now);
    if (f == nullptr)
        return nullptr;
    auto local = in.destination;
    if (!local.is_unicast())
        local = peer.is_v4() ? ip_address::v4(0) : ip_address{};
    if (const auto done = connect(*f, {local, through.port}, in.source, default_ttl_); !done) {
        fail(*f, done.error().value(), now);
        return nullptr;
    }
    return f;
}

void udp_translator::from_listener(int fd, const listener_name& name, instant now) noexcept
{
    for (int batches = 0; batches < limits::listener_batches; ++batches) {
        std::array<bytes_span, os::most_received> into;
        for (std::size_t i = 0; i < into.size(); ++i)
            into[i] = room(i);
        std::array<os::incoming, os::most_received> got;
        const auto count = os::receive_batch(fd, into, got, os::want_addresses::yes);
        if (!count) {
            drain_errors(fd);
            return;
        }
        for (std::size_t i = 0; i < *count; ++i) {
            auto* f = got[i].truncated ? nullptr : open_from_peer(name, got[i], now);
            if (f == nullptr)
                continue;
            f->life.on_peer(now, 1);
            arm(*f);
            send_to_guest(f->key, into[i].data(), got[i].length);
        }
        if (*count < os::most_received)
            return;
    }
}

} // namespace tapioca
