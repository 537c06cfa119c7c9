#include "proto/forward/address_mapping.hpp"

#include "proto/wire/protocol.hpp"

#include <algorithm>

namespace tapioca {
namespace {

bool is_set(const ip_address& a) noexcept { return !a.is_unspecified(); }

bool is_query(octet protocol, std::uint16_t port) noexcept
{
    return (protocol == wire::protocol_tcp || protocol == wire::protocol_udp) && wire::is_name_service(port);
}

template <std::size_t Capacity>
bool has(const fixed_vector<ip_address, Capacity>& list, const ip_address& a) noexcept
{
    return std::find(list.begin(), list.end(), a) != list.end();
}

} // namespace

const name_service* asked_names(const address_map& t, octet protocol, const endpoint& remote) noexcept
{
    const auto& names = t.names(remote.address.family());
    return is_query(protocol, remote.port) && has(names.forwarded, remote.address) ? &names : nullptr;
}

endpoint outbound_destination(const address_map& t, octet protocol, const endpoint& remote) noexcept
{
    const bool v4 = remote.address.is_v4();
    const auto& loopback = v4 ? t.map_host_loopback4 : t.map_host_loopback6;
    const auto& map_guest = v4 ? t.map_guest_addr4 : t.map_guest_addr6;
    const auto& host = v4 ? t.host4 : t.host6; // none in IPv6 if the host has no address to share
    if (const auto* names = asked_names(t, protocol, remote); names != nullptr && !names->resolvers.empty())
        return {names->resolvers[0], remote.port};
    if (is_set(loopback) && remote.address == loopback)
        return {ip_address::loopback(remote.address.family()), remote.port};
    if (is_set(map_guest) && is_set(host) && remote.address == map_guest)
        return {host, remote.port};
    return remote;
}

called_list called_addresses(const address_map& t, octet protocol, const endpoint& peer) noexcept
{
    const bool v4 = peer.address.is_v4();
    called_list called;
    const auto add = [&](const ip_address& a, bool leads_there) {
        if (is_set(a) && leads_there && !has(called, a))
            called.push_back(a);
    };
    const auto add_if_it_leads_there = [&](const ip_address& a) {
        add(a, outbound_destination(t, protocol, {a, peer.port}) == peer);
    };
    add_if_it_leads_there(v4 ? t.map_host_loopback4 : t.map_host_loopback6);
    add_if_it_leads_there(v4 ? t.map_guest_addr4 : t.map_guest_addr6);
    const auto& names = t.names(peer.address.family());
    if (is_query(protocol, peer.port) && has(names.resolvers, peer.address))
        for (const auto& a : names.forwarded)
            add(a, true);
    add_if_it_leads_there(peer.address);
    return called;
}

bool stays_on_host(const address_map& t, const ip_address& destination) noexcept
{
    const auto& host = destination.is_v4() ? t.host4 : t.host6;
    return destination.is_loopback() || (is_set(host) && destination == host);
}

namespace {

/// The source by which the guest knows the peer, if that is not us.
std::optional<ip_address> known_source(const address_map& t, const ip_address& peer, const guest_addresses& seen) noexcept
{
    const bool v4 = peer.is_v4();
    const auto& loopback = v4 ? t.map_host_loopback4 : t.map_host_loopback6;
    const auto& guest = v4 ? t.guest4 : t.guest6;
    const auto& host = v4 ? t.host4 : t.host6;
    const auto& map_guest = v4 ? t.map_guest_addr4 : t.map_guest_addr6;
    if (peer == ip_address::loopback(peer.family()) && is_set(loopback))
        return loopback;
    if (is_set(host) && peer == host && is_set(map_guest))
        return map_guest;
    const bool guests_own = peer == guest || peer == seen.v4 || peer == seen.v6 || peer == seen.link_local;
    if (!peer.is_unicast() || peer.is_loopback() || guests_own)
        return std::nullopt;
    return peer;
}

/// The guest's own address in the scope of `source`; unspecified if it is unknown.
const ip_address& guest_beside(const ip_address& source, const guest_addresses& seen) noexcept
{
    if (source.is_v4())
        return seen.v4;
    return source.is_link_local() ? seen.link_local : seen.v6;
}

bool same_scope(const ip_address& source, const ip_address& destination) noexcept
{
    return destination.is_multicast() || source.is_link_local() == destination.is_link_local();
}

} // namespace

std::optional<inbound> inbound_endpoints(const address_map& t, const forward_rule& rule, std::uint16_t port, const endpoint& peer,
                                         const ip_address& to, const guest_addresses& seen) noexcept
{
    const bool v4 = peer.address.is_v4();
    const auto settled = is_set(rule.target) ? rule.target : to.is_multicast() ? to : ip_address{};
    if (peer.port == 0 || (is_set(settled) && settled.is_v4() != v4))
        return std::nullopt;
    const auto from = [&](const ip_address& source) -> std::optional<inbound> {
        const auto& own = guest_beside(source, seen);
        const auto& destination = is_set(settled) ? settled : own;
        const auto& guest = destination.is_multicast() ? own : destination;
        if (!is_set(source) || !is_set(guest))
            return std::nullopt;
        return inbound{{source, peer.port}, {destination, rule.target_port(port)}, guest};
    };
    const auto known = known_source(t, peer.address, seen);
    if (known) // in IPv4, guests answer link-local peers through their router, and that is us
        if (const auto in = from(*known); in && (v4 || same_scope(*known, in->destination.address)))
            return in;
    for (const auto& ours : {v4 ? t.our_tap4 : t.gateway6, v4 ? ip_address{} : t.our_tap6_ll})
        if (const auto in = from(ours); in && same_scope(ours, in->destination.address))
            return in;
    return is_set(rule.target) ? from(known.value_or(v4 ? t.our_tap4 : t.our_tap6_ll)) : std::nullopt;
}

std::optional<ip_address> reporting_node(const address_map& t, const ip_address& node, const ip_address& guest) noexcept
{
    if (node.is_v4() != guest.is_v4())
        return std::nullopt;
    const auto known = known_source(t, node, {.v4 = guest, .v6 = guest, .link_local = guest});
    const auto& ours = node.is_v4() ? t.our_tap4 : t.our_tap6_ll;
    return known || !is_set(ours) ? known : ours;
}

} // namespace tapioca
