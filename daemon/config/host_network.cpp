#include "daemon/config/host_network.hpp"

#include "daemon/config/host_template.hpp"
#include "daemon/config/resolv_conf.hpp"
#include "daemon/os/host_facts.hpp"

#include <algorithm>
#include <stdexcept>
#include <system_error>
#include <tuple>

namespace tapioca {

namespace {

std::string names_of(const std::vector<os::link_entry>& links)
{
    constexpr std::size_t most = 20;
    std::string names;
    for (std::size_t i = 0; i < std::min(links.size(), most); ++i)
        names += (i == 0 ? "" : ", ") + links[i].name;
    return names + (links.size() > most ? ", ..." : "");
}

/// The interface that sockets of a family are to leave by has nothing of that family.
[[noreturn]] void refuse_outbound(ip_family family, const std::string& name, const std::string& reason)
{
    const bool v4 = family == ip_family::ipv4;
    throw std::runtime_error(std::string{"External interface not usable; --outbound-if"} + (v4 ? "4 " : "6 ") + name + ": " +
                             reason + (v4 ? " IPv4" : " IPv6"));
}

int index_of(const std::vector<os::link_entry>& links, const std::string& name)
{
    const auto* const found = os::find_link(links, name);
    if (found == nullptr)
        throw std::runtime_error("Invalid interface name " + name + ": No such device; there are " + names_of(links));
    return found->index;
}

/// Routes that some VPNs lay over the default one have a bit of the address or few.
bool is_of_a_network(const os::route_entry& route, int loopback)
{
    constexpr std::uint8_t shortest = 8;
    return route.destination.length >= shortest && route.nexthops.back().interface_index != loopback;
}

int loopback_of(const std::vector<os::link_entry>& links)
{
    const auto found = std::find_if(links.begin(), links.end(), [](const os::link_entry& l) { return l.loopback; });
    return found != links.end() ? found->index : 0;
}

/// What the kernel does not tell is taken as absent: the family is local then. `networks`: where the destinations of routes that
/// are no default routes go; null: nobody needs them.
family_tables read_tables(os::netlink_socket& socket, ip_family family, int loopback, std::vector<prefix>* networks,
                          std::vector<std::string>& warnings)
{
    family_tables tables;
    std::vector<prefix> others;
    const auto add = [&](const nlmsghdr&, os::route_entry&& route) {
        if (networks != nullptr && is_of_a_network(route, loopback))
            others.push_back(route.destination);
        tables.routes.add(std::move(route), loopback);
    };
    const auto restart = [&] {
        tables.routes = {};
        others.clear();
    };
    if (const auto done = os::read_routes(socket, family, add, restart); !done)
        warnings.push_back("Couldn't read the host's routes: " + done.error().message());
    if (networks != nullptr)
        networks->insert(networks->end(), others.begin(), others.end());
    if (auto addresses = os::read_addresses(socket, family))
        tables.addresses = std::move(*addresses);
    else
        warnings.push_back("Couldn't read the host's addresses: " + addresses.error().message());
    return tables;
}

host_family look_at_family(const options& opts, ip_family family, os::netlink_socket& socket, host_look& look)
{
    const bool v4 = family == ip_family::ipv4;
    const auto& outbound = v4 ? opts.outbound_if4 : opts.outbound_if6;
    const int outbound_index = outbound ? index_of(look.links, *outbound) : 0;
    const template_request request{.family = family,
                                   .interface_index = opts.interface ? index_of(look.links, *opts.interface) : outbound_index,
                                   .address_given = (v4 ? opts.address4 : opts.address6).has_value()};
    const int loopback = loopback_of(look.links);
    auto* const networks = opts.egress.empty() ? nullptr : &look.networks;
    const auto tables = read_tables(socket, family, loopback, networks, look.warnings);
    for (const auto& entry : tables.addresses)
        look.addresses.push_back(entry.address.address);
    auto chosen = choose_template(request, look.links, tables, look.notes);
    if (chosen.local_mode && outbound && !opts.interface && outbound_index != loopback)
        refuse_outbound(family, *outbound, "the interface has no address of");
    return chosen;
}

} // namespace

host_places places_of(const host_network& host)
{
    host_places places{host.addresses, host.networks, host.resolvers};
    auto& networks = places.reachable;
    std::ranges::sort(networks, {}, [](const prefix& p) { return std::tuple{!p.address.is_v4(), p.network(), p.length}; });
    // What lies in another one stands right behind it, or behind others that do.
    std::vector<prefix> widest;
    for (const auto& n : networks)
        if (widest.empty() || !widest.back().contains(n.address))
            widest.push_back(n);
    networks = std::move(widest);
    std::ranges::sort(places.own);
    return places;
}

host_look look_at_host(const options& opts, families enabled, os::netlink_socket& socket)
{
    host_look look;
    auto links = os::read_links(socket);
    if (!links)
        throw std::system_error(links.error(), "Couldn't read the host's interfaces");
    look.links = std::move(*links);
    if (enabled.ipv4)
        look.v4 = look_at_family(opts, ip_family::ipv4, socket, look);
    if (enabled.ipv6)
        look.v6 = look_at_family(opts, ip_family::ipv6, socket, look);
    return look;
}

host_network discover(const options& opts)
{
    host_network host;
    auto socket = os::netlink_socket::open();
    if (!socket)
        throw std::system_error(socket.error(), "Couldn't open a netlink socket");
    const bool ipv6 = os::has_ipv6();
    if (!ipv6 && !opts.ipv4)
        throw std::runtime_error("IPv6 not available but --ipv6-only given; the kernel has none");
    if (!opts.ipv4 && opts.outbound_if4)
        refuse_outbound(ip_family::ipv4, *opts.outbound_if4, "there is no");
    if (!(opts.ipv6 && ipv6) && opts.outbound_if6)
        refuse_outbound(ip_family::ipv6, *opts.outbound_if6, "there is no");
    auto look = look_at_host(opts, {opts.ipv4, opts.ipv6 && ipv6}, *socket);
    host.v4 = std::move(look.v4);
    host.v6 = std::move(look.v6);
    host.links = std::move(look.links);
    host.addresses = std::move(look.addresses);
    host.networks = std::move(look.networks);
    host.notes = std::move(look.notes);
    host.warnings = std::move(look.warnings);

    if (auto resolv = read_resolv_conf()) {
        host.resolvers = std::move(resolv->resolvers);
        host.search = std::move(resolv->search);
    } else {
        host.resolv_conf_error = resolv.error().value();
    }
    host.name = os::host_name();
    host.udp_timeout = os::number_in("/proc/sys/net/netfilter/nf_conntrack_udp_timeout");
    host.udp_stream = os::number_in("/proc/sys/net/netfilter/nf_conntrack_udp_timeout_stream");
    host.tcp_retries = os::number_in("/proc/sys/net/ipv4/tcp_retries2");
    host.tcp_syn_retries = os::number_in("/proc/sys/net/ipv4/tcp_syn_retries");
    host.tcp_syn_linear_timeouts = os::number_in("/proc/sys/net/ipv4/tcp_syn_linear_timeouts");
    host.tcp_rto_max_ms = os::number_in("/proc/sys/net/ipv4/tcp_rto_max_ms");
    return host;
}

} // namespace tapioca
