#include "daemon/os/rtnetlink.hpp"
#include "tests/support/catch.hpp"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

using namespace tapioca;

namespace {

constexpr auto router = ip_address::v4(192, 0, 2, 1), host = ip_address::v4(192, 0, 2, 2);

os::netlink_message route_message()
{
    os::netlink_message message{RTM_NEWROUTE, 0};
    auto& header = message.header<rtmsg>();
    header.rtm_family = AF_INET;
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_type = RTN_UNICAST;
    header.rtm_protocol = RTPROT_DHCP;
    header.rtm_flags = RTNH_F_ONLINK | RTNH_F_LINKDOWN;
    message.attribute(RTA_GATEWAY, router);
    message.attribute(RTA_OIF, std::uint32_t{7});
    message.attribute(RTA_PREFSRC, host);
    message.attribute(RTA_PRIORITY, std::uint32_t{100});
    return message;
}

} // namespace

TEST_CASE("a route message is read, copied without what is the host's alone, and pointed at another interface")
{
    const auto message = route_message();
    const auto route = os::parse_route(message.raw());
    REQUIRE(route.has_value());
    CHECK(route->destination == prefix{ip_address::v4(0), 0});
    CHECK(route->metric == 100);
    CHECK(route->preferred_source == host);
    REQUIRE(route->nexthops.size() == 1);
    CHECK(route->nexthops[0].gateway == router);
    CHECK(route->nexthops[0].interface_index == 7);

    CHECK_FALSE(os::copy_route(message.raw(), 8).has_value());
    auto copy = os::copy_route(message.raw(), 7);
    REQUIRE(copy.has_value());
    os::set_output(*copy, 3);
    const auto copied = os::parse_route(copy->raw());
    REQUIRE(copied.has_value());
    CHECK(copied->preferred_source.is_unspecified());
    CHECK(copied->nexthops[0].interface_index == 3);
    CHECK(copied->nexthops[0].gateway == router);
    CHECK(copied->metric == 100);
}

TEST_CASE("an output interface that is cut short is let be, and so is what stands behind it")
{
    auto message = route_message();
    message.attribute(RTA_OIF, nullptr, 0);
    message.attribute(RTA_PRIORITY, std::uint32_t{200});
    os::set_output(message, 3);
    const auto route = os::parse_route(message.raw());
    REQUIRE(route.has_value());
    CHECK(route->metric == 200);
}

TEST_CASE("routes of other tables and kinds are not for us")
{
    auto message = route_message();
    message.attribute(RTA_TABLE, std::uint32_t{1000});
    CHECK_FALSE(os::parse_route(message.raw()).has_value());

    os::netlink_message blackhole{RTM_NEWROUTE, 0};
    auto& header = blackhole.header<rtmsg>();
    header.rtm_family = AF_INET;
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_type = RTN_BLACKHOLE;
    CHECK_FALSE(os::parse_route(blackhole.raw()).has_value());
}

TEST_CASE("an interface is found by its name and by each alternative name")
{
    os::netlink_message names{RTM_NEWLINK, 0}; // only for the attributes
    names.attribute(IFLA_ALT_IFNAME, std::string_view{"enp0s31f6"});
    names.attribute(IFLA_ALT_IFNAME, std::string_view{"enx001122334455667788"});
    const auto* const first = reinterpret_cast<const octet*>(&names.raw()) + sizeof(nlmsghdr);
    os::netlink_message message{RTM_NEWLINK, 0};
    message.header<ifinfomsg>().ifi_index = 3;
    message.attribute(IFLA_IFNAME, std::string_view{"eth0"});
    message.attribute(IFLA_PROP_LIST | NLA_F_NESTED, first, names.raw().nlmsg_len - sizeof(nlmsghdr));
    const std::vector links{os::parse_link(message.raw()).value()};
    for (const auto* name : {"eth0", "enp0s31f6", "enx001122334455667788"}) {
        REQUIRE(os::find_link(links, name) != nullptr);
        CHECK(os::find_link(links, name)->index == 3);
    }
    CHECK(os::find_link(links, "enp0s31f") == nullptr);

    message.attribute(IFLA_PROP_LIST | NLA_F_NESTED, first, 7); // cut short
    CHECK(os::parse_link(message.raw())->alternative_names.empty());
}

TEST_CASE("a route of the table local names the address whose packets it delivers")
{
    os::netlink_message message{RTM_NEWROUTE, 0};
    message.header<rtmsg>().rtm_type = RTN_LOCAL;
    CHECK_FALSE(os::parse_local_route(message.raw()).has_value());
    message.attribute(RTA_DST, router);
    CHECK(os::parse_local_route(message.raw()) == router);
    CHECK_FALSE(os::parse_local_route(route_message().raw()).has_value());
    message.raw().nlmsg_type = RTM_DELROUTE;
    CHECK_FALSE(os::parse_local_route(message.raw()).has_value());
}

TEST_CASE("who listens for what does not happen is back when the time is over")
{
    auto socket = os::netlink_socket::open();
    REQUIRE(socket.has_value());
    REQUIRE(socket->join(RTNLGRP_IPV6_ROUTE).has_value());
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds{20};
    CHECK(socket->listen(end, [](const nlmsghdr&) { return false; }).error().value() == EAGAIN);
    CHECK(std::chrono::steady_clock::now() >= end);
}

TEST_CASE("an address message: the flags attribute outdoes the header, the other end is kept apart")
{
    os::netlink_message message{RTM_NEWADDR, 0};
    auto& header = message.header<ifaddrmsg>();
    header.ifa_family = AF_INET;
    header.ifa_prefixlen = 32;
    header.ifa_index = 4;
    header.ifa_scope = RT_SCOPE_LINK;
    header.ifa_flags = IFA_F_DEPRECATED;
    message.attribute(IFA_LOCAL, host);
    message.attribute(IFA_ADDRESS, router);
    CHECK_FALSE(os::parse_address(message.raw())->usable);
    message.attribute(IFA_FLAGS, std::uint32_t{IFA_F_NOPREFIXROUTE});
    const auto entry = os::parse_address(message.raw());
    REQUIRE(entry.has_value());
    CHECK(entry->usable);
    CHECK_FALSE(entry->prefix_route);
    CHECK(entry->address == prefix{host, 32});
    REQUIRE(entry->peer);
    CHECK(entry->peer->address == router);
    CHECK(entry->scope == os::reach::link);
}

TEST_CASE("messages that are cut short or lie about lengths are refused or read as far as they go")
{
    const auto whole = route_message();
    for (std::uint32_t length = sizeof(nlmsghdr); length < whole.raw().nlmsg_len; ++length) {
        auto cut = whole;
        cut.raw().nlmsg_len = length;
        if (const auto route = os::parse_route(cut.raw()))
            CHECK(route->nexthops.size() == 1);
        static_cast<void>(os::copy_route(cut.raw(), 7));
    }
    auto multipath = os::netlink_message{RTM_NEWROUTE, 0};
    auto& header = multipath.header<rtmsg>();
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_type = RTN_UNICAST;
    rtnexthop hop{};
    hop.rtnh_len = 200;
    multipath.attribute(RTA_MULTIPATH, &hop, sizeof hop);
    CHECK_FALSE(os::parse_route(multipath.raw()).has_value());
    CHECK_FALSE(os::copy_route(multipath.raw(), 0).has_value());
}

TEST_CASE("the interfaces of this machine have a loopback among them")
{
    auto socket = os::netlink_socket::open();
    REQUIRE(socket.has_value());
    const auto links = os::read_links(*socket);
    REQUIRE(links.has_value());
    bool loopback = false;
    for (const auto& link : *links)
        loopback = loopback || (link.loopback && link.name == "lo");
    CHECK(loopback);
    os::netlink_message nonsense{RTM_NEWLINK, 0};
    nonsense.header<ifinfomsg>().ifi_index = 0x7ffffff0;
    CHECK(socket->request(nonsense).has_error());
}
