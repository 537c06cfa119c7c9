#include "daemon/config/host_template.hpp"

#include <algorithm>

namespace tapioca {

namespace {

std::string_view family_name(ip_family family) { return family == ip_family::ipv4 ? "IPv4" : "IPv6"; }

/// The lowest metric wins, the first of equals; routes for a type of service only when there is nothing else.
const os::route_entry* preferred_default(const std::vector<os::route_entry>& defaults, int interface_index)
{
    const os::route_entry* best = nullptr;
    for (const auto& route : defaults) {
        const auto through = [&](const os::nexthop& hop) {
            return interface_index == 0 || hop.interface_index == interface_index;
        };
        if (std::none_of(route.nexthops.begin(), route.nexthops.end(), through))
            continue;
        if (best == nullptr || std::pair{route.tos != 0, route.metric} < std::pair{best->tos != 0, best->metric})
            best = &route;
    }
    return best;
}

/// Of the hops through the interface, the gateway of the heaviest. A gateway of the other family (RFC 5549) is none for this one.
ip_address gateway_of(const os::route_entry& route, int interface_index, ip_family family)
{
    const os::nexthop* best = nullptr;
    for (const auto& hop : route.nexthops)
        if (hop.interface_index == interface_index && (best == nullptr || hop.weight > best->weight))
            best = &hop;
    if (best == nullptr || best->gateway.is_unspecified() || best->gateway.family() != family)
        return {};
    return best->gateway;
}

/// The longest prefix wins, the first of equals; an address that is valid on its link only is the last resort of IPv4.
const os::address_entry* preferred_address(const std::vector<os::address_entry>& addresses, int interface_index, ip_family family)
{
    const auto widest = family == ip_family::ipv4 ? os::reach::link : os::reach::site;
    const os::address_entry* best = nullptr;
    const auto rank = [](const os::address_entry& a) { return std::pair{a.scope != os::reach::link, a.address.length}; };
    for (const auto& entry : addresses) {
        if (entry.interface_index != interface_index || !entry.usable || entry.scope > widest ||
            entry.address.address.is_loopback())
            continue;
        if (best == nullptr || rank(entry) > rank(*best))
            best = &entry;
    }
    return best;
}

/// An interface without an address of its own, whose route names one that lives elsewhere ("unnumbered").
const os::address_entry* borrowed_address(const std::vector<os::address_entry>& addresses, const os::route_entry* route)
{
    if (route == nullptr || route->preferred_source.is_unspecified())
        return nullptr;
    const auto same = [&](const os::address_entry& a) { return a.address.address == route->preferred_source; };
    const auto found = std::find_if(addresses.begin(), addresses.end(), same);
    return found != addresses.end() ? &*found : nullptr;
}

ip_address link_local_of(const std::vector<os::address_entry>& addresses, int interface_index)
{
    for (const auto& entry : addresses)
        if (entry.interface_index == interface_index && entry.usable && entry.address.address.is_link_local())
            return entry.address.address;
    return {};
}

int choose_interface(const template_request& request, const candidate_routes& routes, std::vector<std::string>& notes)
{
    if (request.interface_index != 0)
        return request.interface_index;
    if (const auto* route = preferred_default(routes.defaults, 0)) {
        if (routes.defaults.size() > 1)
            notes.push_back("Multiple default " + std::string{family_name(request.family)} + " routes, picked first");
        return route->nexthops.back().interface_index;
    }
    return routes.other ? routes.other->nexthops.back().interface_index : 0;
}

} // namespace

void candidate_routes::add(os::route_entry&& route, int loopback_index)
{
    if (route.nexthops.back().interface_index == loopback_index)
        return;
    if (route.destination.length == 0)
        defaults.push_back(std::move(route));
    else if (!other && !route.destination.address.is_link_local())
        other = std::move(route);
}

host_family local_mode(ip_family family)
{
    host_family local;
    local.enabled = local.local_mode = true;
    if (family == ip_family::ipv4) {
        local.address = {ip_address::v4(169, 254, 2, 1), 16};
        local.gateway = ip_address::v4(169, 254, 2, 2);
    } else {
        local.address.length = 64;
        local.gateway = local.link_local = ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, 1});
    }
    return local;
}

host_family choose_template(const template_request& request, const std::vector<os::link_entry>& links,
                            const family_tables& tables, std::vector<std::string>& notes)
{
    const int index = choose_interface(request, tables.routes, notes);
    const auto link = std::find_if(links.begin(), links.end(), [&](const os::link_entry& l) { return l.index == index; });
    const auto* const route = preferred_default(tables.routes.defaults, index);
    const auto* address = preferred_address(tables.addresses, index, request.family);
    if (address == nullptr)
        address = borrowed_address(tables.addresses, route);
    if (link == links.end() || (address == nullptr && !request.address_given)) {
        notes.push_back("No usable " + std::string{family_name(request.family)} + " set-up on the host, guest network is local");
        return local_mode(request.family);
    }
    host_family chosen;
    chosen.enabled = true;
    chosen.interface_index = index;
    chosen.interface = link->name;
    if (address != nullptr)
        chosen.address = address->address;
    if (route != nullptr)
        chosen.gateway = gateway_of(*route, index, request.family);
    if (request.family == ip_family::ipv6) {
        chosen.address.length = 64; // RFC 4291 section 2.5.4: what SLAAC and DHCPv6 clients expect
        chosen.link_local = link_local_of(tables.addresses, index);
    }
    return chosen;
}

} // namespace tapioca
