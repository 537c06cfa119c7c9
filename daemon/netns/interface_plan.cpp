#include "daemon/netns/interface_plan.hpp"

#include "daemon/config/guest_plan.hpp"

#include <algorithm>
#include <linux/rtnetlink.h>
#include <string_view>
#include <sys/socket.h>
#include <system_error>

namespace tapioca {

namespace {

/// What every namespace calls its loopback, so that no other interface can have that name.
constexpr std::string_view loopback = "lo";

/// One family of the plan as it is being made.
struct family_view {
    ip_family family;
    const host_family& host;
    prefix guest_address; ///< unspecified: none
    ip_address gateway;
    bool address_given, gateway_given;
};

os::address_entry single_address(const prefix& address)
{
    os::address_entry entry;
    entry.address = address;
    // IPv4 stays global in 169.254.0.0/16 too: the kernel would not take it as the source of what goes further.
    if (address.address.is_link_local() && !address.address.is_v4())
        entry.scope = os::reach::link;
    return entry;
}

/// What is valid beyond its link, in the kernel's order.
std::vector<os::address_entry> copied_addresses(const family_view& view, os::netlink_socket& socket)
{
    std::vector<os::address_entry> copied;
    auto all = os::read_addresses(socket, view.family);
    if (!all)
        throw std::system_error(all.error(), "Couldn't read the host's addresses");
    for (auto& entry : *all) {
        if (entry.interface_index != view.host.interface_index || !entry.usable || entry.scope >= os::reach::link)
            continue;
        if (entry.address.address == view.guest_address.address && view.family == ip_family::ipv4)
            entry.address.length = view.guest_address.length; // perhaps from --netmask
        copied.push_back(entry);
    }
    return copied;
}

std::vector<os::netlink_message> copied_routes(const family_view& view, os::netlink_socket& socket)
{
    std::vector<os::netlink_message> copied;
    const auto copy = [&](const nlmsghdr& message, os::route_entry&& route) {
        // The interface's own link-local address brings the route to its prefix.
        if (route.by_kernel && view.family == ip_family::ipv6 && route.destination.address.is_link_local())
            return;
        if (auto request = os::copy_route(message, view.host.interface_index))
            copied.push_back(std::move(*request));
    };
    if (const auto done = os::read_routes(socket, view.family, copy, [&] { copied.clear(); }); !done)
        throw std::system_error(done.error(), "Couldn't read the host's routes");
    return copied;
}

os::netlink_message route_request(const prefix& destination, const ip_address& gateway)
{
    os::netlink_message request{RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL};
    auto& header = request.header<rtmsg>();
    header.rtm_family = destination.address.is_v4() ? AF_INET : AF_INET6;
    header.rtm_dst_len = destination.length;
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_protocol = RTPROT_BOOT;
    header.rtm_scope = gateway.is_unspecified() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    header.rtm_type = RTN_UNICAST;
    if (destination.length != 0)
        request.attribute(RTA_DST, destination.address);
    if (!gateway.is_unspecified())
        request.attribute(RTA_GATEWAY, gateway);
    request.attribute(RTA_OIF, std::uint32_t{0});
    return request;
}

/// The default route; before it, one to a gateway that no address of ours puts on the link. Without a gateway everything is on
/// the link.
std::vector<os::netlink_message> default_routes(const family_view& view, const std::vector<os::address_entry>& addresses)
{
    std::vector<os::netlink_message> routes;
    const bool v4 = view.family == ip_family::ipv4;
    const auto on_link = [&](const os::address_entry& a) { return a.address.contains(view.gateway); };
    if (!view.gateway.is_unspecified() && (v4 || !view.gateway.is_link_local()) &&
        std::none_of(addresses.begin(), addresses.end(), on_link))
        routes.push_back(route_request({view.gateway, static_cast<std::uint8_t>(v4 ? 32 : 128)}, {}));
    routes.push_back(route_request({v4 ? ip_address::v4(0) : ip_address{}, 0}, view.gateway));
    return routes;
}

interface_family_plan plan_family(const options& opts, const family_view& view, os::netlink_socket& socket)
{
    interface_family_plan plan;
    plan.enabled = true;
    if (opts.copy_addresses && !view.host.local_mode && !view.address_given)
        plan.addresses = copied_addresses(view, socket);
    if (plan.addresses.empty() && !view.guest_address.address.is_unspecified())
        plan.addresses.push_back(single_address(view.guest_address));
    plan.routes_copied = opts.copy_routes && !view.host.local_mode && !view.gateway_given;
    plan.routes = plan.routes_copied ? copied_routes(view, socket) : default_routes(view, plan.addresses);
    return plan;
}

} // namespace

std::string interface_name(const options& opts, const host_network& host)
{
    if (opts.ns_ifname)
        return *opts.ns_ifname;
    for (const auto& name : {host.v4.interface, host.v6.interface})
        if (!name.empty() && name != loopback)
            return name;
    return "tap0";
}

interface_plan plan_interface(const options& opts, const host_network& host, const guest_network& guest)
{
    auto socket = os::netlink_socket::open();
    if (!socket)
        throw std::system_error(socket.error(), "Couldn't open a netlink socket");
    return plan_interface(opts, host, guest, *socket);
}

interface_plan plan_interface(const options& opts, const host_network& host, const guest_network& guest,
                              os::netlink_socket& socket)
{
    interface_plan plan;
    plan.name = interface_name(opts, host);
    plan.configure = opts.config_net;
    plan.mac = opts.ns_mac;
    if (!plan.configure)
        return plan;
    plan.mtu = opts.mtu;
    if (guest.ipv4)
        plan.v4 = plan_family(
            opts,
            {ip_family::ipv4, host.v4, guest.address4, guest.gateway4, opts.address4.has_value(), opts.gateway4.has_value()},
            socket);
    if (guest.ipv6)
        plan.v6 = plan_family(opts,
                              {ip_family::ipv6,
                               host.v6,
                               {guest.address6, 64},
                               guest_gateway(opts, host, ip_family::ipv6),
                               opts.address6.has_value(),
                               opts.gateway6.has_value()},
                              socket);
    return plan;
}

} // namespace tapioca
