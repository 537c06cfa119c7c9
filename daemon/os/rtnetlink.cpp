#include "daemon/os/rtnetlink.hpp"

#include <libmnl/libmnl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace tapioca::os {

namespace {

/// A dump that a change of the table interrupted is repeated this often; a table that never rests is taken as the last dump
/// showed it.
constexpr int most_dumps = 5;

int address_family(ip_family family) { return family == ip_family::ipv4 ? AF_INET : AF_INET6; }

ip_address unspecified(int family) { return family == AF_INET ? ip_address::v4(0) : ip_address{}; }

/// An address by the length of the attribute; what is neither 4 nor 16 octets long is unspecified.
ip_address address_of(const void* octets, std::size_t length)
{
    if (ipv4_octets v4; length == v4.size()) {
        std::memcpy(v4.data(), octets, v4.size());
        return ip_address{v4};
    }
    ipv6_octets v6{};
    if (length == v6.size())
        std::memcpy(v6.data(), octets, v6.size());
    return ip_address{v6};
}
ip_address address_of(const nlattr* a) { return address_of(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a)); }

/// Of an attribute that is cut short, `otherwise`.
std::uint32_t number_of(const nlattr* a, std::uint32_t otherwise = 0)
{
    std::uint32_t value = otherwise;
    if (mnl_attr_get_payload_len(a) >= sizeof value)
        std::memcpy(&value, mnl_attr_get_payload(a), sizeof value);
    return value;
}

reach reach_of(unsigned scope)
{
    switch (scope) {
    case RT_SCOPE_NOWHERE:
        return reach::nowhere;
    case RT_SCOPE_HOST:
        return reach::host;
    case RT_SCOPE_LINK:
        return reach::link;
    case RT_SCOPE_SITE:
        return reach::site;
    default:
        return reach::universe;
    }
}

/// Calls `each` with every attribute behind a fixed header; a header that is cut short has none.
template <class Header, class Each>
const Header* for_attributes(const nlmsghdr& message, Each each)
{
    if (mnl_nlmsg_get_payload_len(&message) < sizeof(Header))
        return nullptr;
    const auto* const end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(&message));
    const auto* a = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(&message, sizeof(Header)));
    for (; mnl_attr_ok(a, static_cast<int>(end - reinterpret_cast<const char*>(a))); a = mnl_attr_next(a))
        each(mnl_attr_get_type(a), a);
    return static_cast<const Header*>(mnl_nlmsg_get_payload(&message));
}

/// RTA_GATEWAY is an address alone; RTA_VIA has its family in front (struct rtvia).
ip_address gateway_of(unsigned type, const nlattr* a)
{
    if (type == RTA_GATEWAY)
        return address_of(a);
    const auto* const octets = static_cast<const octet*>(mnl_attr_get_payload(a));
    const std::size_t length = mnl_attr_get_payload_len(a);
    return length < sizeof(rtvia) ? ip_address{} : address_of(octets + sizeof(rtvia), length - sizeof(rtvia));
}

/// Calls `each` with every rtnexthop of an RTA_MULTIPATH attribute.
template <class Each>
void for_nexthops(const nlattr* multipath, Each each)
{
    const auto* at = static_cast<const octet*>(mnl_attr_get_payload(multipath));
    std::size_t left = mnl_attr_get_payload_len(multipath);
    while (left >= sizeof(rtnexthop)) {
        const auto* const hop = reinterpret_cast<const rtnexthop*>(at);
        if (hop->rtnh_len < sizeof(rtnexthop) || hop->rtnh_len > left)
            return;
        each(*hop);
        const std::size_t step = std::min<std::size_t>(left, RTNH_ALIGN(hop->rtnh_len));
        at += step;
        left -= step;
    }
}

nexthop parse_nexthop(const rtnexthop& hop)
{
    nexthop parsed{hop.rtnh_ifindex, {}, hop.rtnh_hops + 1U};
    const auto* at = reinterpret_cast<const octet*>(&hop) + sizeof hop;
    auto left = static_cast<int>(hop.rtnh_len - sizeof hop);
    for (const auto* a = reinterpret_cast<const nlattr*>(at); mnl_attr_ok(a, left); a = mnl_attr_next(a)) {
        if (const auto type = mnl_attr_get_type(a); type == RTA_GATEWAY || type == RTA_VIA)
            parsed.gateway = gateway_of(type, a);
        left -= static_cast<int>(MNL_ALIGN(a->nla_len));
    }
    return parsed;
}

/// RTA_MULTIPATH with the hops through one interface; false if there are none.
bool append_multipath(netlink_message& copy, const nlattr* multipath, int from)
{
    std::vector<octet> kept;
    for_nexthops(multipath, [&](const rtnexthop& hop) {
        if (hop.rtnh_ifindex != from)
            return;
        const auto at = kept.size();
        kept.resize(at + RTNH_ALIGN(hop.rtnh_len));
        std::memcpy(kept.data() + at, &hop, hop.rtnh_len);
        reinterpret_cast<rtnexthop*>(kept.data() + at)->rtnh_flags &= RTNH_F_ONLINK;
    });
    if (!kept.empty())
        copy.attribute(RTA_MULTIPATH, kept.data(), kept.size());
    return !kept.empty();
}

template <class Entry, class Header>
result<std::vector<Entry>> read_all(netlink_socket& socket, std::uint16_t type, int family,
                                    std::optional<Entry> (*parse)(const nlmsghdr&))
{
    std::vector<Entry> entries;
    for (int attempt = 1;; ++attempt) {
        netlink_message request{type, 0};
        // The family is the first octet of every rtnetlink header.
        *reinterpret_cast<unsigned char*>(&request.header<Header>()) = static_cast<unsigned char>(family);
        entries.clear();
        const auto done = socket.dump(request, [&](const nlmsghdr& message) {
            if (auto entry = parse(message))
                entries.push_back(std::move(*entry));
        });
        if (done || (done.error().value() == EINTR && attempt == most_dumps))
            return entries;
        if (done.error().value() != EINTR)
            return done.error();
    }
}

std::string text_of(const nlattr* a)
{
    const auto* const text = static_cast<const char*>(mnl_attr_get_payload(a));
    return {text, strnlen(text, mnl_attr_get_payload_len(a))};
}

/// The IFLA_ALT_IFNAME inside an IFLA_PROP_LIST.
std::vector<std::string> alternative_names(const nlattr* properties)
{
    std::vector<std::string> names;
    const auto* a = static_cast<const nlattr*>(mnl_attr_get_payload(properties));
    const auto* const end = reinterpret_cast<const char*>(a) + mnl_attr_get_payload_len(properties);
    for (; mnl_attr_ok(a, static_cast<int>(end - reinterpret_cast<const char*>(a))); a = mnl_attr_next(a))
        if (mnl_attr_get_type(a) == IFLA_ALT_IFNAME)
            names.push_back(text_of(a));
    return names;
}

} // namespace

const link_entry* find_link(const std::vector<link_entry>& links, std::string_view name)
{
    const auto found = std::find_if(links.begin(), links.end(), [&](const link_entry& link) {
        const auto& others = link.alternative_names;
        return link.name == name || std::find(others.begin(), others.end(), name) != others.end();
    });
    return found != links.end() ? &*found : nullptr;
}

std::optional<link_entry> parse_link(const nlmsghdr& message)
{
    link_entry link;
    const auto* const header = for_attributes<ifinfomsg>(message, [&](unsigned type, const nlattr* a) {
        const std::size_t length = mnl_attr_get_payload_len(a);
        if (type == IFLA_IFNAME)
            link.name = text_of(a);
        else if (type == IFLA_PROP_LIST)
            link.alternative_names = alternative_names(a);
        else if (type == IFLA_MTU)
            link.mtu = number_of(a);
        else if (type == IFLA_ADDRESS && length == link.mac.octets.size())
            std::memcpy(link.mac.octets.data(), mnl_attr_get_payload(a), length);
    });
    if (header == nullptr || message.nlmsg_type != RTM_NEWLINK)
        return std::nullopt;
    link.index = header->ifi_index;
    link.loopback = (header->ifi_flags & IFF_LOOPBACK) != 0;
    return link;
}

std::optional<address_entry> parse_address(const nlmsghdr& message)
{
    std::optional<ip_address> local, address;
    address_entry entry;
    std::optional<std::uint32_t> flags;
    const auto* const header = for_attributes<ifaddrmsg>(message, [&](unsigned type, const nlattr* a) {
        if (type == IFA_LOCAL)
            local = address_of(a);
        else if (type == IFA_ADDRESS)
            address = address_of(a);
        else if (type == IFA_BROADCAST)
            entry.broadcast = address_of(a);
        else if (type == IFA_FLAGS)
            flags = number_of(a);
        else if (type == IFA_RT_PRIORITY)
            entry.metric = number_of(a);
    });
    if (header == nullptr || message.nlmsg_type != RTM_NEWADDR || (!local && !address))
        return std::nullopt;
    const std::uint32_t all_flags = flags.value_or(header->ifa_flags);
    entry.interface_index = static_cast<int>(header->ifa_index);
    // A point-to-point link has the other end in IFA_ADDRESS; the others repeat or omit IFA_LOCAL.
    entry.address = {local.value_or(address.value_or(ip_address{})), header->ifa_prefixlen};
    if (local && address && *local != *address)
        entry.peer = prefix{*address, header->ifa_prefixlen};
    entry.scope = reach_of(header->ifa_scope);
    entry.usable = (all_flags & (IFA_F_DEPRECATED | IFA_F_DADFAILED)) == 0;
    entry.prefix_route = (all_flags & IFA_F_NOPREFIXROUTE) == 0;
    return entry;
}

std::optional<route_entry> parse_route(const nlmsghdr& message)
{
    route_entry route;
    nexthop single;
    std::optional<ip_address> destination;
    std::uint32_t table = 0;
    const auto* const header = for_attributes<rtmsg>(message, [&](unsigned type, const nlattr* a) {
        if (type == RTA_DST)
            destination = address_of(a);
        else if (type == RTA_OIF)
            single.interface_index = static_cast<int>(number_of(a, static_cast<std::uint32_t>(single.interface_index)));
        else if (type == RTA_GATEWAY || type == RTA_VIA)
            single.gateway = gateway_of(type, a);
        else if (type == RTA_PREFSRC)
            route.preferred_source = address_of(a);
        else if (type == RTA_PRIORITY)
            route.metric = number_of(a);
        else if (type == RTA_TABLE)
            table = number_of(a);
        else if (type == RTA_MULTIPATH)
            for_nexthops(a, [&](const rtnexthop& hop) { route.nexthops.push_back(parse_nexthop(hop)); });
    });
    if (header == nullptr || message.nlmsg_type != RTM_NEWROUTE || header->rtm_type != RTN_UNICAST)
        return std::nullopt;
    if ((table != 0 ? table : header->rtm_table) != RT_TABLE_MAIN || (header->rtm_flags & RTM_F_CLONED) != 0)
        return std::nullopt;
    if (route.nexthops.empty() && single.interface_index != 0)
        route.nexthops.push_back(single);
    if (route.nexthops.empty())
        return std::nullopt;
    route.destination = {destination.value_or(unspecified(header->rtm_family)), header->rtm_dst_len};
    route.tos = header->rtm_tos;
    route.by_kernel = header->rtm_protocol == RTPROT_KERNEL;
    return route;
}

std::optional<ip_address> parse_local_route(const nlmsghdr& message)
{
    std::optional<ip_address> address;
    const auto* const header = for_attributes<rtmsg>(message, [&](unsigned type, const nlattr* a) {
        if (type == RTA_DST)
            address = address_of(a);
    });
    if (header == nullptr || message.nlmsg_type != RTM_NEWROUTE || header->rtm_type != RTN_LOCAL)
        return std::nullopt;
    return address;
}

result<std::vector<link_entry>> read_links(netlink_socket& socket)
{
    return read_all<link_entry, ifinfomsg>(socket, RTM_GETLINK, AF_UNSPEC, parse_link);
}

result<std::vector<address_entry>> read_addresses(netlink_socket& socket, ip_family family)
{
    return read_all<address_entry, ifaddrmsg>(socket, RTM_GETADDR, address_family(family), parse_address);
}

result<void> read_routes(netlink_socket& socket, ip_family family,
                         const std::function<void(const nlmsghdr&, route_entry&&)>& each, const std::function<void()>& restart)
{
    for (int attempt = 1;; ++attempt) {
        netlink_message request{RTM_GETROUTE, 0};
        auto& header = request.header<rtmsg>();
        header.rtm_family = static_cast<unsigned char>(address_family(family));
        header.rtm_table = RT_TABLE_MAIN;
        const auto done = socket.dump(request, [&](const nlmsghdr& message) {
            if (auto route = parse_route(message))
                each(message, std::move(*route));
        });
        // A namespace that never had a route has no main table (ENOENT).
        if (done || done.error().value() == ENOENT || (done.error().value() == EINTR && attempt == most_dumps))
            return {};
        if (done.error().value() != EINTR)
            return done.error();
        restart();
    }
}

result<void> read_local_routes(netlink_socket& socket, const std::function<void(const nlmsghdr&)>& each)
{
    netlink_message request{RTM_GETROUTE, 0};
    auto& header = request.header<rtmsg>();
    header.rtm_family = AF_INET6;
    header.rtm_table = RT_TABLE_LOCAL;
    return socket.dump(request, each);
}

std::optional<netlink_message> copy_route(const nlmsghdr& route, int from)
{
    netlink_message copy{RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL};
    static_cast<void>(copy.header<rtmsg>());
    bool reachable = false;
    const auto* const header = for_attributes<rtmsg>(route, [&](unsigned type, const nlattr* a) {
        if (type == RTA_PREFSRC || type == RTA_NH_ID || type == RTA_CACHEINFO)
            return;
        if (type == RTA_MULTIPATH) {
            reachable = append_multipath(copy, a, from) || reachable;
            return;
        }
        if (type == RTA_OIF)
            reachable = reachable || static_cast<int>(number_of(a)) == from;
        copy.attribute(static_cast<std::uint16_t>(type), mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
    });
    if (header == nullptr || !reachable)
        return std::nullopt;
    auto& target = *static_cast<rtmsg*>(mnl_nlmsg_get_payload(&copy.raw()));
    target = *header;
    target.rtm_flags &= RTNH_F_ONLINK;
    return copy;
}

void set_output(netlink_message& route, int interface_index)
{
    const auto index = static_cast<std::uint32_t>(interface_index);
    for_attributes<rtmsg>(route.raw(), [&](unsigned type, const nlattr* a) {
        // The message is ours, though libmnl hands out constant attributes.
        if (type == RTA_OIF && mnl_attr_get_payload_len(a) >= sizeof index)
            std::memcpy(const_cast<void*>(mnl_attr_get_payload(a)), &index, sizeof index);
        else if (type == RTA_MULTIPATH)
            for_nexthops(a, [&](const rtnexthop& hop) { const_cast<rtnexthop&>(hop).rtnh_ifindex = interface_index; });
    });
}

} // namespace tapioca::os
