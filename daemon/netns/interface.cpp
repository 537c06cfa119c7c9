#include "daemon/netns/interface.hpp"

#include "daemon/netns/interface_requests.hpp"
#include "daemon/os/start_failure.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <optional>
#include <sys/socket.h>
#include <system_error>

namespace tapioca {

namespace {

using boost::system::error_code;

os::netlink_socket open_netlink()
{
    auto socket = os::netlink_socket::open();
    if (!socket)
        throw std::system_error(socket.error(), "Couldn't open a netlink socket in namespace");
    return std::move(*socket);
}

std::vector<os::link_entry> links_of(os::netlink_socket& socket)
{
    auto links = os::read_links(socket);
    if (!links)
        throw std::system_error(links.error(), "Couldn't read interfaces in namespace");
    return std::move(*links);
}

os::link_entry find_link(os::netlink_socket& socket, const std::string& name)
{
    for (auto& link : links_of(socket))
        if (link.name == name)
            return link;
    throw std::system_error(ENODEV, std::generic_category(), "Couldn't find interface " + name + " in namespace");
}

/// A change of the link's flags; only those in `mask` change.
os::netlink_message link_request(int index, unsigned flags, unsigned mask)
{
    os::netlink_message request{RTM_NEWLINK, 0};
    auto& header = request.header<ifinfomsg>();
    header.ifi_family = AF_UNSPEC;
    header.ifi_index = index;
    header.ifi_flags = flags;
    header.ifi_change = mask;
    return request;
}

void demand(os::netlink_socket& socket, os::netlink_message&& request, const char* failure)
{
    if (const auto done = socket.request(request); !done)
        throw std::system_error(done.error(), failure);
}

/// Whether an error means that the family does not exist on this interface: not in the kernel, switched off by disable_ipv6
/// (EACCES), or not with an MTU below IPv6's minimum (EINVAL).
bool means_unsupported(const error_code& error, bool v4, const interface_plan& plan)
{
    switch (error.value()) {
    case EAFNOSUPPORT:
    case EPFNOSUPPORT:
    case EOPNOTSUPP:
    case EPROTONOSUPPORT:
        return true;
    case EACCES:
        return !v4;
    case EINVAL:
    case ENODEV:
        return !v4 && plan.mtu != 0 && plan.mtu < 1280;
    default:
        return false;
    }
}

/// New addresses of IPv6 receive nothing until a kernel worker has added the route to each of them to the table `local`. That
/// takes a moment, longer on a busy machine; a send before that fails with ENETUNREACH.
class reception {
public:
    /// What is made from now on is heard of. Where that is refused, nothing is waited for.
    reception()
    {
        if (auto opened = os::netlink_socket::open(); opened && opened->join(RTNLGRP_IPV6_ROUTE))
            routes_ = std::move(*opened);
    }

    void expect(const ip_address& address)
    {
        if (!address.is_v4())
            missing_.push_back(address);
    }

    void wait(os::netlink_socket& socket, std::vector<std::string>& notes)
    {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{2};
        const auto heard = [&](const nlmsghdr& message) {
            if (const auto address = os::parse_local_route(message))
                std::erase(missing_, *address);
            return missing_.empty();
        };
        while (routes_ && !missing_.empty()) {
            const auto done = routes_->listen(end, heard);
            if (!done && done.error().value() == ENOBUFS) // the news was lost among that of other routes
                (void)os::read_local_routes(socket, heard);
            else if (!done)
                return notes.push_back("The kernel has not put all addresses of the interface into use yet");
        }
    }

private:
    std::optional<os::netlink_socket> routes_;
    std::vector<ip_address> missing_;
};

os::result<void> add_addresses(os::netlink_socket& socket, int index, const std::vector<os::address_entry>& addresses,
                               reception& expected)
{
    for (const auto& entry : addresses) {
        auto request = address_request(index, entry, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
        const auto done = socket.request(request);
        if (!done && done.error().value() != EEXIST)
            return done.error();
        if (done)
            expected.expect(entry.address.address);
    }
    return {};
}

/// False if the namespace has no such family.
bool configure_family(os::netlink_socket& socket, const interface_plan& plan, const interface_family_plan& family, bool v4,
                      configured_interface& state, reception& expected)
{
    const std::string name = v4 ? "IPv4" : "IPv6";
    if (const auto done = add_addresses(socket, state.index, family.addresses, expected); !done) {
        if (means_unsupported(done.error(), v4, plan))
            return false;
        throw std::system_error(done.error(), "Couldn't set " + name + " address(es) in namespace");
    }
    const auto routes = add_routes(socket, state.index, family.routes);
    if (routes.left == 0)
        return true;
    if (routes.left == family.routes.size() && means_unsupported(routes.why, v4, plan))
        return false;
    if (!family.routes_copied || routes.why.value() == EPERM)
        throw std::system_error(routes.why, "Couldn't set " + name + " route(s) in guest");
    state.notes.push_back("Left out " + std::to_string(routes.left) + " " + name +
                          " route(s) of the host: " + routes.why.message());
    return true;
}

/// Reads the link-local address that the kernel gave when the link came up, and gives it anew without duplicate address
/// detection, which would take up to two seconds, and again whenever the link flaps.
void settle_link_local(os::netlink_socket& socket, configured_interface& state, reception& expected)
{
    const auto addresses = os::read_addresses(socket, ip_family::ipv6);
    if (!addresses)
        return;
    for (const auto& entry : *addresses) {
        if (entry.interface_index != state.index || !entry.address.address.is_link_local())
            continue;
        state.link_local = entry.address.address;
        auto removal = address_request(state.index, entry, RTM_DELADDR, 0);
        const auto removed = socket.request(removal);
        auto request = address_request(state.index, entry, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
        if (const auto done = socket.request(request); done && removed)
            expected.expect(state.link_local);
        else if (!done)
            state.notes.push_back("Couldn't set the link-local address in namespace: " + done.error().message());
        return;
    }
}

void disable(bool& enabled, const char* warning, configured_interface& state)
{
    enabled = false;
    state.warnings.emplace_back(warning);
}

/// What the kernel holds for us while we are busy. The usual 1000 frames overflow when hundreds of flows start at once, and each
/// lost frame costs its flow a timeout; windows bound the octets.
constexpr std::uint32_t queue_frames = 10000;

} // namespace

void bring_up_loopback()
{
    constexpr const char* failure = "Couldn't bring up loopback interface in namespace";
    auto socket = open_netlink();
    for (const auto& link : links_of(socket))
        if (link.loopback)
            return demand(socket, link_request(link.index, IFF_UP, IFF_UP), failure);
    throw std::system_error(ENODEV, std::generic_category(), failure);
}

configured_interface configure_tap(const interface_plan& plan, const std::string& name)
{
    auto socket = open_netlink();
    configured_interface state;
    state.index = find_link(socket, name).index;
    if (plan.mac) {
        auto request = link_request(state.index, 0, 0);
        request.attribute(IFLA_ADDRESS, plan.mac->octets.data(), plan.mac->octets.size());
        if (const auto done = socket.request(request); !done)
            throw os::start_failure("Couldn't set MAC address in namespace", done.error().value(),
                                    done.error().value() == EADDRNOTAVAIL ? "the kernel takes no address of a group, and not zero"
                                                                          : "");
    }
    state.mac = find_link(socket, name).mac;
    auto queue = link_request(state.index, 0, 0);
    queue.attribute(IFLA_TXQLEN, queue_frames);
    demand(socket, std::move(queue), "Couldn't set the queue length of the interface in namespace");
    if (!plan.configure)
        return state;
    if (plan.mtu != 0) {
        auto request = link_request(state.index, 0, 0);
        request.attribute(IFLA_MTU, std::uint32_t{plan.mtu});
        demand(socket, std::move(request), "Couldn't set MTU in namespace");
    }
    demand(socket, link_request(state.index, IFF_UP, IFF_UP), "Couldn't bring up interface in namespace");
    reception expected;
    if (plan.v6.enabled) { // first: the kernel's work for its addresses goes on beside ours
        settle_link_local(socket, state, expected);
        if (!configure_family(socket, plan, plan.v6, false, state, expected))
            disable(state.ipv6, "IPv6 not supported, disabling", state);
    }
    if (plan.v4.enabled && !configure_family(socket, plan, plan.v4, true, state, expected))
        disable(state.ipv4, "IPv4 not supported, disabling", state);
    expected.wait(socket, state.notes);
    return state;
}

configured_interface find_configured(const std::string& name)
{
    auto socket = open_netlink();
    const auto link = find_link(socket, name);
    configured_interface state;
    state.index = link.index;
    state.mac = link.mac;
    if (const auto addresses = os::read_addresses(socket, ip_family::ipv6))
        for (const auto& entry : *addresses)
            if (entry.interface_index == state.index && entry.address.address.is_link_local())
                state.link_local = entry.address.address;
    return state;
}

} // namespace tapioca
