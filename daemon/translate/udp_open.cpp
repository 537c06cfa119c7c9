// How UDP flows begin with a datagram of the guest.

#include "daemon/translate/limits.hpp"
#include "daemon/translate/resolvers.hpp"
#include "daemon/translate/to_guest.hpp"
#include "daemon/translate/udp_translator.hpp"
#include "proto/forward/address_mapping.hpp"
#include "proto/wire/dns.hpp"
#include "proto/wire/protocol.hpp"
#include "proto/wire/udp.hpp"

namespace tapioca {

using report::counter;

namespace {

constexpr unsigned most_numbers = 4; ///< of ports of one address and port of the guest

/// Whether a socket of the rule may send for the guest from that port, to any address of the network.
bool sends_for(const forward_rule& rule, const flow_key& key) noexcept
{
    const unsigned offset = key.guest_port - unsigned{rule.target_first};
    const bool v4 = key.guest.is_v4();
    return rule.protocol == wire::protocol_udp && key.guest_port >= rule.target_first && offset < rule.port_count() &&
           rule.stack != (v4 ? listen_stack::ipv6 : listen_stack::ipv4) && !rule.address.is_loopback() &&
           (rule.target.is_unspecified() || rule.target == key.guest);
}

} // namespace

/// The sockets are all in use: flows whose queries are answered only wait for the same question again, and make room. Otherwise
/// a guest that asks for many names would be refused until they time out.
void udp_translator::make_room(instant now) noexcept
{
    if (ctx_.datagram_sockets < ctx_.config->datagram_sockets || now < next_room_)
        return;
    next_room_ = now + limits::room_interval;
    flows_.for_each([&](udp_flow& f) {
        if (f.life.is_answered_query(f.key.remote_port))
            (void)close(f, end_reason::idle, now);
    });
}

udp_flow* udp_translator::open(const flow_key& key, const outbound_opening& leads, const packet& p, instant now) noexcept
{
    make_room(now);
    auto* f = open_flow(flow_head{.key = key}, key, leads, now);
    if (f == nullptr)
        return nullptr;
    f->asks_names = key.remote_port == wire::dns_port && asks_names(ctx_, key);
    int error = 0;
    const auto& to = leads.to;
    auto* port = port_for(key, to, p.ttl, error);
    if (port != nullptr) {
        join(*f, *port, {to, {}, path_to(*ctx_.config, to.address).scope});
        return f;
    }
    tell_of_failure(key, p, error);
    ctx_.report(report::event_kind::socket_failed, now, key, error);
    (void)close(*f, end_reason::socket_failed, now);
    return nullptr;
}

/// The socket that the flow leaves from: a listening one, if the guest is called there; its own; or one that is made for it.
udp_port* udp_translator::port_for(const flow_key& key, const endpoint& to, octet ttl, int& error) noexcept
{
    if (auto* listening = takes_query(key) ? nullptr : listening_port_for(key, to))
        return listening;
    for (unsigned number = 0; number < most_numbers; ++number) {
        const auto name = key_of_port(key, to.address, number);
        auto* p = ports_.find(name);
        if (p == nullptr)
            return make_port(name, to.address, ttl, error);
        if (!is_ambiguous(*p, key, to))
            return p;
    }
    ctx_.counters.drop(drop_reason::no_translation);
    return nullptr;
}

/// Whether another flow of the port leads to the same peer, which the guest knows by two addresses.
bool udp_translator::is_ambiguous(const udp_port& p, const flow_key& key, const endpoint& to) noexcept
{
    const auto* other = find_answered(p, to);
    return other != nullptr && !(other->key == key);
}

/// The listening socket that is forwarded to the guest's port; nothing if it could not send there.
std::optional<listener_name> udp_translator::forwarded_to(const flow_key& key, const endpoint& to) const noexcept
{
    const auto path = path_to(*ctx_.config, to.address);
    for (std::size_t i = 0; i < ctx_.config->host_rules.size(); ++i) {
        const auto& rule = ctx_.config->host_rules[i];
        const bool leads_there =
            rule.interface.view() == path.interface && (path.from.is_unspecified() || path.from == rule.address);
        if (sends_for(rule, key) && leads_there)
            return listener_name{rule_side::host, static_cast<std::uint8_t>(i),
                                 static_cast<std::uint16_t>(key.guest_port - rule.target_first + rule.first), wire::protocol_udp};
    }
    return std::nullopt;
}

udp_port* udp_translator::listening_port_for(const flow_key& key, const endpoint& to) noexcept
{
    const auto name = forwarded_to(key, to);
    return name && ctx_.descriptor_of(*name) >= 0 ? listening_port(*name) : nullptr;
}

std::optional<unsigned> udp_translator::place_of(const flow_key& key) noexcept
{
    const auto to = peer_of(key);
    if (ctx_.others == nullptr || !key.guest.is_unicast() || takes_query(key))
        return std::nullopt;
    const auto name = key_of_port(key, to.address);
    if (ports_.find(name) != nullptr)
        return std::nullopt;
    const auto owner = ctx_.others->owner(hash_of(name, ctx_.config->secret));
    return owner || !forwarded_to(key, to) ? owner : ctx_.others->who_listens();
}

/// The guest hears what it would have heard of its own system.
void udp_translator::tell_of_failure(const flow_key& key, const packet& p, int error) noexcept
{
    report_failure(ctx_, key, error, about(p));
}

endpoint udp_translator::peer_of(const flow_key& key) const noexcept
{
    return outbound_destination(ctx_.config->address_map, wire::protocol_udp, {key.remote, key.remote_port});
}

} // namespace tapioca
