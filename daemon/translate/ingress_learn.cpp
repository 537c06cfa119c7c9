// What the guest's end of the link is learned from: all that it sends, and what it is given or about to take.
#include "daemon/translate/ingress.hpp"
#include "proto/responder/dhcp.hpp"
#include "proto/responder/ndp.hpp"
#include "proto/wire/icmp.hpp"
#include "proto/wire/ndp.hpp"

namespace tapioca {

using report::counter;

namespace {

/// What a guest is about to make its own (RFC 4862 section 5.4.2); unspecified: nothing.
ip_address tentative_address(const packet& p) noexcept
{
    const auto ip = wire::parse_ipv6(p.l3);
    if (!ip || p.l4.empty() || p.l4[0] != wire::icmpv6_neighbour_solicitation)
        return {};
    const auto asked = wire::parse_neighbour_solicitation(*ip);
    return asked ? asked->target : ip_address{};
}

} // namespace

void ingress::learn(const packet& p, instant now) noexcept
{
    if (!p.source_mac.is_multicast() && ctx_.guest.learn_mac(p.source_mac))
        ctx_.report(report::event_kind::guest_mac_learned, now, {});
    if (p.kind != packet_kind::arp)
        learn_address(p.source);
}

/// An address that was withdrawn goes on for as long as the guest keeps it; but once the guest has another one, that is where the
/// outside is led to.
void ingress::learn_address(const ip_address& source) noexcept
{
    const auto& net = ctx_.config->net;
    if (net.may_change) {
        const auto known = source.is_v4() ? ctx_.guest.v4() : ctx_.guest.v6();
        const bool goes_back = net.has_withdrawn(source) && !known.is_unspecified() && !net.has_withdrawn(known);
        if (goes_back || net.is_ours(source))
            return;
    }
    ctx_.guest.learn_address(source);
}

void ingress::answer_dhcp(const packet& p, bytes_view question) noexcept
{
    const auto& net = ctx_.config->net;
    commit(dhcp_respond(p.source_mac, question, net, ctx_.tap.acquire()), counter::dhcp_answers);
    if (!net.may_change)
        return;
    if (const auto given = address_given_by_dhcp(question, net); !given.is_unspecified())
        learn_address(given);
}

/// True if the message was one of neighbour discovery, which ends at the link.
bool ingress::answer_neighbour(const packet& p) noexcept
{
    constexpr octet redirect = wire::icmpv6_neighbour_advertisement + 1;
    if (p.l4.empty() || p.l4[0] < wire::icmpv6_router_solicitation || p.l4[0] > redirect)
        return false;
    const auto& net = ctx_.config->net;
    if (const auto taken = net.may_change && p.source.is_unspecified() ? tentative_address(p) : ip_address{};
        prefix{net.address6, 64}.contains(taken))
        learn_address(taken);
    if (const auto ip = wire::parse_ipv6(p.l3))
        commit(ndp_respond(p.source_mac, *ip, ctx_.config->net, ctx_.tap.acquire()), counter::ndp_answers);
    return true;
}

} // namespace tapioca
