// How UDP flows begin with a datagram of the guest, and the sockets of all of them.

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

} // namespace

udp_flow* udp_translator::insert(const flow_key& key, instant now, flow_origin origin, const endpoint& accepted_at) noexcept
{
    auto* f = ctx_.open_flow(flows_, key, now, origin, accepted_at);
    if (f != nullptr)
        ctx_.counters.add(counter::udp_flows_opened);
    return f;
}

udp_flow* udp_translator::open(const flow_key& key, const packet& p, instant now) noexcept
{
    auto* f = insert(key, now, flow_origin::guest);
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
    if (ctx_.config.freebind)
        (void)os::set_freebind(f.fd, family);
    if (f.from_peer && local.address.is_unspecified())
        (void)os::ignore_groups_of_others(f.fd, family);
    if (const auto bound = bind_to_interface(f, to.address); !bound)
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
    return ctx_.poller.add(f.fd, token_of(f), os::trigger::edge_input);
}

/// A peer gets its answers from the interface that its rule names.
os::result<void> udp_translator::bind_to_interface(const udp_flow& f, const ip_address& to) noexcept
{
    const auto name = f.from_peer ? ctx_.rule_of(f.through).interface.view() : ctx_.outbound_interface(to);
    return name.empty() ? os::result<void>{} : os::bind_to_device(f.fd, name);
}

/// The guest's own port if the host lets us have it; a privileged or busy one becomes another. Peers would not know another.
os::result<void> udp_translator::bind(const udp_flow& f, const endpoint& local) noexcept
{
    const auto scope = scope_of(local.address);
    auto bound = os::bind(f.fd, local, scope);
    if (!bound && !f.from_peer && (bound.error().value() == EACCES || bound.error().value() == EADDRINUSE))
        bound = os::bind(f.fd, {local.address, 0}, scope);
    return bound;
}

} // namespace tapioca
