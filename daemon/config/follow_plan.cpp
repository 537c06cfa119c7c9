#include "daemon/config/follow_plan.hpp"

#include "daemon/config/address_text.hpp"
#include "daemon/config/guest_plan.hpp"

#include <algorithm>

namespace tapioca {
namespace {

bool has_appeared(const host_family& before, const host_family& now)
{
    return before.enabled && before.local_mode && !now.local_mode;
}

bool same(const host_family& a, const host_family& b)
{
    return a.local_mode == b.local_mode && a.interface_index == b.interface_index && a.interface == b.interface &&
           a.address == b.address && a.gateway == b.gateway;
}

std::string described(const char* family, const host_family& f)
{
    std::string text = std::string{"The host's "} + family + " network is now " + to_text(f.address.address);
    if (!f.interface.empty())
        text += " on " + f.interface;
    return text + (f.gateway.is_unspecified() ? ", without a gateway" : " by " + to_text(f.gateway));
}

void give_ipv4(followed_network& to, const guest_network& planned, const address_map& translation)
{
    to.guest.address4 = planned.address4;
    to.guest.gateway4 = planned.gateway4;
    to.guest.our_address4 = planned.our_address4;
    to.guest.dhcp = planned.dhcp;
    to.address_map.guest4 = translation.guest4;
    to.address_map.our_tap4 = translation.our_tap4;
    to.address_map.map_host_loopback4 = translation.map_host_loopback4;
}

/// Its router stays the one that it knows.
void give_ipv6(const options& opts, followed_network& to, const guest_network& planned, const address_map& translation)
{
    to.guest.address6 = planned.address6;
    to.guest.dhcpv6 = planned.dhcpv6;
    to.guest.ra_without_route = opts.config_net;
    to.guest.ra = to.guest.ndp && opts.late_ra; // in a namespace that was configured, too: nothing else tells it of the prefix
    to.address_map.guest6 = translation.guest6;
}

/// A resolver that the guest was told of, and that is none of the host's any more, stands for those that are.
void follow_names(const options& opts, const network_at_start& start, const host_network& now, ip_family family,
                  followed_network& next)
{
    const bool v4 = family == ip_family::ipv4;
    auto& names = v4 ? next.address_map.names4 : next.address_map.names6;
    const auto has = [](const auto& list, const ip_address& a) { return std::find(list.begin(), list.end(), a) != list.end(); };
    names.resolvers = resolvers_of(opts, now, family);
    if (opts.dns)
        return;
    for (const auto& told : v4 ? start.guest.resolvers4 : start.guest.resolvers6)
        if (!has(names.resolvers, told) && !has(names.forwarded, told))
            (void)names.forwarded.push_back(told);
}

/// Its router stays the one that it knows: a link-local address of ours, which leads to wherever the host's router is. Where
/// nothing is advertised the routes are exchanged, and with them the router.
void keep_router6(const network_at_start& start, followed_network& next)
{
    next.guest.our_link_local = start.guest.our_link_local;
    next.address_map.our_tap6_ll = start.address_map.our_tap6_ll;
    next.address_map.gateway6 = start.address_map.gateway6;
    next.address_map.map_host_loopback6 = start.address_map.map_host_loopback6;
}

host_places places_for(const options& opts, const host_network& now)
{
    return opts.egress.empty() ? host_places{} : places_of(now);
}

/// By what the host is now, but for families that the guest has not.
followed_network plan_anew(const options& opts, const network_at_start& start, host_network now)
{
    now.v4.enabled = now.v4.enabled && start.guest.ipv4;
    now.v6.enabled = now.v6.enabled && start.guest.ipv6;
    followed_network next{plan_guest(opts, now, start.guest.duid_time),
                          plan_translation(opts, now, without_resolvers::queries_fail),
                          static_cast<unsigned>(now.v6.interface_index), places_for(opts, now)};
    if (!opts.config_net && start.guest.ipv6)
        keep_router6(start, next);
    if (opts.splice_only)
        next.address_map.guest4 = next.address_map.guest6 = next.address_map.host4 = next.address_map.host6 = {};
    next.guest.stand_ins = start.guest.stand_ins;
    for (const auto family : {ip_family::ipv4, ip_family::ipv6})
        follow_names(opts, start, now, family, next);
    return next;
}

} // namespace

bool needs_resolvers_of_host(const options& opts)
{
    const bool judges_names = !opts.egress.empty(); // which may have names
    const bool forwards = (opts.dns_forward4 && !opts.dns_host4) || (opts.dns_forward6 && !opts.dns_host6);
    return opts.follow != follow_mode::none && !opts.splice_only &&
           (judges_names || forwards || (opts.announce_dns && !opts.dns));
}

void update(host_network& host, const host_look& look)
{
    host.links = look.links;
    host.addresses = look.addresses;
    host.networks = look.networks;
    if (!look.v4.local_mode)
        host.v4 = look.v4;
    if (!look.v6.local_mode)
        host.v6 = look.v6;
}

followed_network follow_host(const options& opts, const network_at_start& start, const host_network& now)
{
    if (opts.follow == follow_mode::guest)
        return plan_anew(opts, start, now);
    followed_network next{start.guest, start.address_map, static_cast<unsigned>(now.v6.interface_index), places_for(opts, now)};
    const auto planned = plan_guest(opts, now, start.guest.duid_time);
    const auto translation = plan_translation(opts, now, without_resolvers::queries_fail);
    if (start.guest.ipv4 && has_appeared(start.host.v4, now.v4) && !opts.config_net)
        give_ipv4(next, planned, translation);
    if (start.guest.ipv6 && has_appeared(start.host.v6, now.v6))
        give_ipv6(opts, next, planned, translation);
    if (next.guest.resolvers4.empty())
        next.guest.resolvers4 = planned.resolvers4;
    if (next.guest.resolvers6.empty())
        next.guest.resolvers6 = planned.resolvers6;
    if (next.guest.search.empty())
        next.guest.search = planned.search;
    if (!opts.splice_only) {
        next.address_map.host4 = translation.host4;
        next.address_map.host6 = translation.host6;
    }
    for (const auto family : {ip_family::ipv4, ip_family::ipv6})
        follow_names(opts, start, now, family, next);
    return next;
}

std::vector<host_change> changes_of(const host_network& before, const host_network& now)
{
    std::vector<host_change> changes;
    if (!same(before.v4, now.v4))
        changes.push_back({"network_changed", described("IPv4", now.v4)});
    if (!same(before.v6, now.v6))
        changes.push_back({"network_changed", described("IPv6", now.v6)});
    if (before.resolvers != now.resolvers) {
        std::string list;
        for (const auto& resolver : now.resolvers)
            list += (list.empty() ? "" : ", ") + to_text(resolver);
        changes.push_back(
            {"resolvers_changed", list.empty() ? "The host has no resolvers any more" : "The host's resolvers are now " + list});
    }
    return changes;
}

} // namespace tapioca
