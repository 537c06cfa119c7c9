// Sockets that flows share: made with the first flow that needs one, closed with the last.

#include "daemon/translate/limits.hpp"
#include "daemon/translate/udp_translator.hpp"
#include "proto/forward/address_mapping.hpp"
#include "proto/wire/protocol.hpp"

#include <cerrno>

namespace tapioca {
namespace {

constexpr ip_address any(ip_family family) noexcept { return family == ip_family::ipv4 ? ip_address::v4(0) : ip_address{}; }

} // namespace

/// Whether the flow leads to the name forwarder, whomever the guest has asked. As that is one endpoint for all, such a flow has a
/// socket of its own, by which its answers are known.
bool udp_translator::takes_query(const flow_key& key) const noexcept
{
    const auto* egress = ctx_.config->egress.get();
    return egress != nullptr && egress->takes_query(key.protocol, {key.remote, key.remote_port});
}

/// The guest's address and port. A socket that is bound to an interface does not lead to the host's loopback, so what goes there
/// has another; `number` counts those that are there because one could not tell two flows apart.
flow_key udp_translator::key_of_port(const flow_key& key, const ip_address& to, unsigned number) const noexcept
{
    if (takes_query(key))
        return {key.guest, key.remote, key.guest_port, udp_port::number_of_queries, wire::protocol_udp};
    const bool v4 = key.guest.is_v4();
    const bool apart =
        !(v4 ? ctx_.config->outbound_if4 : ctx_.config->outbound_if6).empty() && path_to(*ctx_.config, to).interface.empty();
    return {key.guest, apart ? ip_address::loopback(key.guest.family()) : ip_address{}, key.guest_port,
            static_cast<std::uint16_t>(number), wire::protocol_udp};
}

/// One without a socket yet; null, which is counted, if there is no room for it.
udp_port* udp_translator::insert_port(const flow_key& key) noexcept
{
    if (!ctx_.reserve_datagram_sockets(1))
        return nullptr;
    auto* p = ports_.insert(key);
    if (p != nullptr && ctx_.others != nullptr && !ctx_.others->claim(ports_.hash(*p))) {
        ports_.erase(*p);
        p = nullptr;
    }
    if (p == nullptr) {
        ctx_.counters.drop(drop_reason::flow_table_full);
        ctx_.release_datagram_sockets(1);
    }
    return p;
}

udp_port* udp_translator::make_port(const flow_key& key, const ip_address& to, octet ttl, int& error) noexcept
{
    error = ENFILE;
    auto* p = insert_port(key);
    if (p == nullptr)
        return nullptr;
    if (const auto made = make_socket(*p, to, ttl); !made) {
        error = made.error().value();
        ctx_.counters.drop(drop_reason::socket_failed);
        release_if_idle(*p);
        return nullptr;
    }
    return p;
}

/// Binds the guest's own port; where that is privileged or in use, the kernel chooses one.
os::result<void> udp_translator::make_socket(udp_port& p, const ip_address& to, octet ttl) noexcept
{
    const auto family = p.key.guest.family();
    auto fd = os::udp_socket(family);
    if (!fd)
        return fd.error();
    if (family == ip_family::ipv6)
        (void)os::set_v6_only(fd->get());
    (void)os::set_receive_errors(fd->get(), family, true);
    (void)os::set_udp_gro(fd->get());
    (void)os::set_receive_buffer(fd->get(), limits::udp_receive_buffer);
    (void)os::ignore_groups_of_others(fd->get(), family);
    (void)os::allow_broadcast(fd->get());
    if (ctx_.config->freebind)
        (void)os::set_freebind(fd->get(), family);
    const auto path = path_to(*ctx_.config, to);
    if (!path.interface.empty())
        if (const auto bound = os::bind_to_device(fd->get(), path.interface); !bound)
            return bound;
    const auto from = path.from.is_unspecified() ? any(family) : path.from;
    const auto scope = path_to(*ctx_.config, from).scope;
    auto bound = os::bind(fd->get(), {from, p.key.guest_port}, scope);
    if (!bound && (bound.error().value() == EACCES || bound.error().value() == EADDRINUSE))
        bound = os::bind(fd->get(), {from, 0}, scope);
    if (!bound)
        return bound;
    // The route's own hop limit may differ from what a fresh socket says, so an IPv6 socket is always told.
    if ((family == ip_family::ipv4 && ttl == default_ttl_) || os::set_ttl(fd->get(), family, ttl))
        p.ttl = ttl;
    if (const auto added = ctx_.poller.add(fd->get(), token_of(p), os::trigger::edge_input); !added)
        return added;
    p.fragments = {};
    p.fd = fd->release();
    return {};
}

/// The interface that the socket was bound to is gone, and another may have that name by now.
bool udp_translator::replace_socket(udp_port& p, const ip_address& to) noexcept
{
    if (p.listens || path_to(*ctx_.config, to).interface.empty())
        return false;
    forget_polled(p);
    os::close(std::exchange(p.fd, -1)); // the new one wants its port
    return make_socket(p, to, p.ttl).has_value();
}

/// The udp_port of a listening socket; null if the table is full.
udp_port* udp_translator::listening_port(const listener_name& name) noexcept
{
    const auto number = static_cast<std::uint16_t>(name.rule << 8 | static_cast<unsigned>(name.side));
    const flow_key key{{}, {}, name.port, number, wire::protocol_udp};
    auto* p = ports_.find(key);
    if (p == nullptr && (p = ports_.insert(key)) != nullptr) {
        p->listens = true;
        p->through = name;
    }
    return p;
}

int udp_translator::descriptor_of(const udp_port& p) const noexcept { return p.listens ? ctx_.descriptor_of(p.through) : p.fd; }

os::token udp_translator::token_of(const udp_port& p) const noexcept
{
    return p.listens ? tapioca::token_of(source::udp_listener, ctx_.listeners->place_of(p.through))
                     : tapioca::token_of(source::udp_port, ports_.id_of(p).value);
}

flow_key udp_translator::permission_of(const udp_port& p, const ip_address& to) const noexcept
{
    return {p.key.guest, to, p.key.guest_port, 0, wire::protocol_udp};
}

bool udp_translator::is_group(const ip_address& a) const noexcept
{
    const auto& ours = ctx_.config->net.address4;
    return a.is_multicast() || a.is_limited_broadcast() || (a.is_v4() && ours.length < 31 && a == ours.broadcast());
}

/// The flow uses the port from now on, and datagrams from its peer's address are accepted there.
void udp_translator::join(udp_flow& f, udp_port& p, const os::addressing& between) noexcept
{
    f.port = ports_.slot_of(p);
    f.between = between;
    ++p.flows;
    p.asking += f.asks_names;
    if (p.listens || p.is_of_queries())
        return;
    p.groups += is_group(between.to.address);
    const auto key = permission_of(p, between.to.address);
    auto* permission = permissions_.find(key);
    if (permission == nullptr)
        permission = permissions_.insert(key);
    if (permission != nullptr)
        ++permission->flows;
}

void udp_translator::leave(udp_flow& f) noexcept
{
    if (f.port == udp_flow::no_port)
        return;
    auto& p = port_of(f);
    f.port = udp_flow::no_port;
    --p.flows;
    p.asking -= f.asks_names;
    if (!p.listens && !p.is_of_queries()) {
        p.groups -= is_group(f.between.to.address);
        auto* permission = permissions_.find(permission_of(p, f.between.to.address));
        if (permission != nullptr && --permission->flows == 0)
            permissions_.erase(*permission);
    }
    release_if_idle(p);
}

void udp_translator::release_if_idle(udp_port& p) noexcept
{
    if (p.flows != 0 || (p.listens && p.ready_listed))
        return;
    if (p.listens && p.polled)
        (void)ctx_.poller.change(descriptor_of(p), token_of(p), os::trigger::edge_input);
    forget_polled(p);
    if (!p.listens) {
        if (p.fd >= 0)
            os::close(p.fd);
        ctx_.release_datagram_sockets(1);
        if (ctx_.others != nullptr)
            ctx_.others->disclaim(ports_.hash(p));
    }
    ports_.erase(p);
}

} // namespace tapioca
