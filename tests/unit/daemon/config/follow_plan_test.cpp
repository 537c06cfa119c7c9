#include "daemon/config/follow_plan.hpp"
#include "daemon/config/guest_plan.hpp"
#include "daemon/config/host_template.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;

namespace {

constexpr auto old4 = ip_address::v4(192, 0, 2, 2), new4 = ip_address::v4(198, 51, 100, 9),
               router4 = ip_address::v4(192, 0, 2, 1), other_router4 = ip_address::v4(198, 51, 100, 1);
constexpr auto old6 = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 2}), new6 = ip_address::v6({0x2001, 0xdb8, 9, 0, 0, 0, 0, 2}),
               router6 = ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, 0xabcd});
constexpr auto map4 = ip_address::v4(169, 254, 7, 7);

host_family family4(const ip_address& address, const ip_address& gateway, int index)
{
    return {.enabled = true,
            .interface_index = index,
            .interface = "eth" + std::to_string(index),
            .address = {address, 24},
            .gateway = gateway,
            .link_local = {}};
}

host_family family6(const ip_address& address, int index)
{
    return {.enabled = true,
            .interface_index = index,
            .interface = "eth" + std::to_string(index),
            .address = {address, 64},
            .gateway = router6,
            .link_local = {}};
}

host_network host_at(host_family v4, host_family v6)
{
    host_network host;
    host.v4 = std::move(v4);
    host.v6 = std::move(v6);
    return host;
}

network_at_start started(const options& opts, const host_network& host)
{
    return {host, plan_guest(opts, host, 7), plan_translation(opts, host)};
}

host_look look_of(const host_network& host)
{
    host_look look;
    look.v4 = host.v4;
    look.v6 = host.v6;
    return look;
}

} // namespace

TEST_CASE("nothing changes for a host that has not changed")
{
    const options opts;
    const auto host = host_at(family4(old4, router4, 2), family6(old6, 2));
    const auto start = started(opts, host);
    const auto next = follow_host(opts, start, host);
    CHECK(next.guest == start.guest);
    CHECK(next.address_map == start.address_map);
    CHECK(next.scope6 == 2);
    CHECK(changes_of(host, host).empty());
}

TEST_CASE("an egress policy hears of other addresses and networks of the host")
{
    options opts;
    auto before = host_at(family4(old4, router4, 2), family6(old6, 2)), now = before;
    before.networks = now.networks = {{ip_address::v4(192, 0, 2, 0), 24}};
    auto look = look_of(now);
    look.networks = {{ip_address::v4(192, 0, 2, 0), 24}, {ip_address::v4(198, 51, 100, 0), 24}};
    look.addresses = {old4};
    update(now, look);
    const auto places_after = [&] { return follow_host(opts, started(opts, before), now).places; };
    CHECK(places_after() == host_places{});
    opts.egress = {"internet-only"};
    CHECK(places_after() == host_places{{old4}, look.networks, {}});
    opts.follow = follow_mode::guest;
    CHECK(places_after() == host_places{{old4}, look.networks, {}});
}

TEST_CASE("what the guest has stays, and leads to where the host is now")
{
    options opts;
    opts.map_guest_addr4 = map4;
    const auto start = started(opts, host_at(family4(old4, router4, 2), family6(old6, 2)));
    const auto now = host_at(family4(new4, other_router4, 3), family6(new6, 3));
    const auto next = follow_host(opts, start, now);
    CHECK(next.guest == start.guest);
    CHECK(next.scope6 == 3);
    CHECK(next.address_map.guest4 == old4);
    CHECK(next.address_map.host4 == new4);
    CHECK(next.address_map.host6 == new6);
    CHECK(next.address_map.map_host_loopback4 == router4);
    CHECK(changes_of(start.host, now) ==
          std::vector<host_change>{{"network_changed", "The host's IPv4 network is now 198.51.100.9 on eth3 by 198.51.100.1"},
                                   {"network_changed", "The host's IPv6 network is now 2001:db8:9::2 on eth3 by fe80::abcd"}});
}

TEST_CASE("a guest that is told has what the host has, by the router that it knows")
{
    options opts;
    opts.follow = follow_mode::guest;
    const auto start = started(opts, host_at(family4(old4, router4, 2), family6(old6, 2)));
    auto now = host_at(family4(new4, other_router4, 3), family6(new6, 3));
    now.v6.gateway = ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, 0xef});
    const auto next = follow_host(opts, start, now);
    CHECK(next.guest.may_change);
    CHECK(next.guest.address4 == prefix{new4, 24});
    CHECK(next.guest.gateway4 == other_router4);
    CHECK(next.guest.address6 == new6);
    CHECK(next.guest.our_link_local == router6);
    CHECK(next.address_map.guest4 == new4);
    CHECK(next.address_map.host4 == new4);
    CHECK(next.address_map.map_host_loopback4 == other_router4);
    CHECK(next.address_map.map_host_loopback6 == router6);

    SECTION("or, in a namespace that we configure, by the host's")
    {
        opts.config_net = true;
        CHECK(follow_host(opts, start, now).guest.our_link_local == now.v6.gateway);
    }
    SECTION("but not a family that it has not")
    {
        auto without = start;
        without.guest.ipv6 = false;
        CHECK_FALSE(follow_host(opts, without, now).guest.ipv6);
    }
    SECTION("and keeps what the user has given")
    {
        opts.address4 = old4;
        opts.gateway4 = router4;
        const auto fixed = follow_host(opts, start, now);
        CHECK(fixed.guest.address4.address == old4);
        CHECK(fixed.guest.gateway4 == router4);
    }
}

TEST_CASE("an address that the user has given stays what map_guest_addr leads to")
{
    options opts;
    opts.address4 = old4;
    const auto start = started(opts, host_at(family4(old4, router4, 2), family6(old6, 2)));
    CHECK(follow_host(opts, start, host_at(family4(new4, other_router4, 3), family6(new6, 3))).address_map.host4 == old4);
}

TEST_CASE("a family that has lost its network keeps what it had")
{
    auto host = host_at(family4(old4, router4, 2), family6(old6, 2));
    update(host, look_of(host_at(local_mode(ip_family::ipv4), family6(new6, 3))));
    CHECK(host.v4.address.address == old4);
    CHECK(host.v6.address.address == new6);
}

TEST_CASE("a guest whose host had no network is given what appears")
{
    const options opts;
    const auto start = started(opts, host_at(local_mode(ip_family::ipv4), local_mode(ip_family::ipv6)));
    const auto next = follow_host(opts, start, host_at(family4(new4, other_router4, 3), family6(new6, 3)));
    CHECK(next.guest.address4 == prefix{new4, 24});
    CHECK(next.guest.gateway4 == other_router4);
    CHECK(next.address_map.guest4 == new4);
    CHECK(next.address_map.map_host_loopback4 == other_router4);
    CHECK(next.guest.address6 == new6);
    CHECK(next.guest.ra);
    CHECK_FALSE(next.guest.ra_without_route);
    CHECK(next.guest.dhcpv6);
    CHECK(next.guest.our_link_local == start.guest.our_link_local);
}

TEST_CASE("a namespace that was configured keeps its IPv4 address, and is told of the prefix by advertisements without a route")
{
    options opts;
    opts.config_net = true;
    opts.ra = false;
    const auto start = started(opts, host_at(local_mode(ip_family::ipv4), local_mode(ip_family::ipv6)));
    CHECK_FALSE(start.guest.ra);
    const auto now = host_at(family4(new4, other_router4, 3), family6(new6, 3));
    const auto next = follow_host(opts, start, now);
    CHECK(next.guest.address4 == start.guest.address4);
    CHECK(next.address_map.guest4 == start.address_map.guest4);
    CHECK(next.guest.address6 == new6);
    CHECK(next.guest.ra);
    CHECK(next.guest.ra_without_route);

    SECTION("unless there are to be none")
    {
        opts.late_ra = false;
        CHECK_FALSE(follow_host(opts, start, now).guest.ra);
    }
}
