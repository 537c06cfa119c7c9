#include "proto/forward/opening.hpp"

#include "proto/forward/bypass.hpp"
#include "proto/wire/dns.hpp"
#include "proto/wire/protocol.hpp"

namespace tapioca {

host_path path_to(const forwarding& f, const ip_address& to) noexcept
{
    const bool v4 = to.is_v4(), scoped = !v4 && (to.is_link_local() || to.is_multicast());
    const auto& chosen = v4 ? f.outbound_if4 : f.outbound_if6;
    const bool local = stays_on_host(f.address_map, to); // the host's own interfaces do not lead there
    return {.from = to.is_loopback() ? ip_address{}
                    : v4             ? f.outbound4
                                     : f.outbound6,
            .interface = local ? std::string_view{} : chosen.view(),
            .scope = scoped ? f.scope6 : 0};
}

namespace {

egress_verdict judge(const forwarding& f, octet protocol, const endpoint& to, instant now) noexcept
{
    if (f.egress == nullptr)
        return {};
    const bool has_port = protocol == wire::protocol_tcp || protocol == wire::protocol_udp;
    if (has_port && to.port == wire::dns_port && f.places->asks(to.address)) // on a private network, or where clouds have it
        return {.ground = egress_ground::resolver};
    return judge(*f.egress, *f.places, protocol, to, now);
}

/// Queries to whatever server lead to our own name service while the policy has names. Nothing for all else.
std::optional<parsed<outbound_opening>> open_query(const forwarding& f, octet protocol, const endpoint& asked) noexcept
{
    if (f.egress == nullptr || !f.egress->takes_query(protocol, asked))
        return std::nullopt;
    const auto& service = f.egress->name_service_of(asked.address.family());
    if (service.port == 0) // the host's loopback does not have this family
        return drop_reason::no_resolver;
    return outbound_opening{service, {.ground = egress_ground::resolver}};
}

} // namespace

parsed<outbound_opening> decide_outbound(const forwarding& f, const flow_key& key, instant now) noexcept
{
    const bool udp = key.protocol == wire::protocol_udp;
    if ((udp || key.protocol == wire::protocol_tcp) && (key.guest_port == 0 || key.remote_port == 0))
        return drop_reason::zero_port;
    if (udp && (key.guest.is_unspecified() || key.remote.is_unspecified()))
        return drop_reason::unspecified_address;
    if (!key.guest.is_unicast() || (!udp && !key.remote.is_unicast()))
        return drop_reason::not_unicast;
    const endpoint asked{key.remote, key.remote_port};
    if (const auto query = open_query(f, key.protocol, asked))
        return *query;
    const auto* names = asked_names(f.address_map, key.protocol, asked);
    if (names != nullptr && names->resolvers.empty())
        return drop_reason::no_resolver;
    const auto to = outbound_destination(f.address_map, key.protocol, asked);
    if (names != nullptr && f.egress != nullptr && !f.egress->has_names())
        return outbound_opening{to, {.ground = egress_ground::resolver}};
    return outbound_opening{to, judge(f, key.protocol, to, now)};
}

flow_way way_of(const forwarding& f, const arrival& a) noexcept
{
    const bool between_loopbacks = f.splice && a.peer.address.is_loopback() && a.rule.target.is_unspecified();
    return a.side == rule_side::guest || between_loopbacks ? flow_way::bypass : flow_way::tap;
}

bool depends_on_address(const forwarding& f, const arrival& a) noexcept
{
    return way_of(f, a) == flow_way::bypass && (a.side == rule_side::guest || f.host_loopback_to_namespace);
}

parsed<inbound_opening> decide_inbound(const forwarding& f, const arrival& a, const guest_addresses& guest, instant now) noexcept
{
    const auto way = way_of(f, a);
    if (way == flow_way::tap) {
        const auto seen = f.splice_only ? std::nullopt : inbound_endpoints(f.address_map, a.rule, a.port, a.peer, a.to, guest);
        if (!seen)
            return drop_reason::no_translation;
        return inbound_opening{way, *seen, {}, {}};
    }
    const bypass_request request{.side = a.side,
                                 .protocol = a.rule.protocol,
                                 .client = a.peer.address,
                                 .asked = a.to,
                                 .server_port = a.rule.target_port(a.port)};
    const auto to = bypass_destination(request, f.host_loopback_to_namespace, guest, f.guest_rules);
    if (!to)
        return drop_reason::no_translation;
    const endpoint server{*to, request.server_port};
    if (a.side == rule_side::host)
        return inbound_opening{way, {}, server, {}};
    const auto query = open_query(f, a.rule.protocol, server); // the host's resolver may be on its loopback
    if (!query)
        return inbound_opening{way, {}, server, judge(f, a.rule.protocol, server, now)};
    if (!*query)
        return query->why();
    return inbound_opening{way, {}, (*query)->to, (*query)->verdict};
}

} // namespace tapioca
