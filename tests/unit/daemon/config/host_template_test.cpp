#include "daemon/config/host_template.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;

namespace {

constexpr auto any4 = prefix{ip_address::v4(0), 0};
constexpr auto here = ip_address::v4(192, 0, 2, 2), there = ip_address::v4(192, 0, 2, 1),
               elsewhere = ip_address::v4(192, 0, 2, 9);
constexpr auto global6 = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 2}), ll6 = ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, 2});

os::link_entry link(int index, const char* name)
{
    os::link_entry l;
    l.index = index;
    l.name = name;
    l.loopback = index == 1;
    return l;
}
const std::vector<os::link_entry> links = {link(1, "lo"), link(2, "eth0"), link(3, "eth1")};

os::address_entry address(int index, const ip_address& a, std::uint8_t length, os::reach scope = os::reach::universe)
{
    os::address_entry entry;
    entry.interface_index = index;
    entry.address = {a, length};
    entry.scope = scope;
    return entry;
}

os::route_entry route(const prefix& to, std::vector<os::nexthop> hops, std::uint32_t metric = 0)
{
    os::route_entry r;
    r.destination = to;
    r.nexthops = std::move(hops);
    r.metric = metric;
    return r;
}

family_tables tables(std::vector<os::route_entry> routes, std::vector<os::address_entry> addresses)
{
    family_tables t;
    for (auto& r : routes)
        t.routes.add(std::move(r), 1);
    t.addresses = std::move(addresses);
    return t;
}

host_family choose(const family_tables& t, ip_family family = ip_family::ipv4, int index = 0)
{
    std::vector<std::string> notes;
    return choose_template({.family = family, .interface_index = index, .address_given = false}, links, t, notes);
}

} // namespace

TEST_CASE("the longest prefix is the guest's address; deprecated and narrow ones are passed over")
{
    auto old = address(2, ip_address::v4(10, 0, 0, 1), 30);
    old.usable = false;
    const auto chosen = choose(
        tables({route(any4, {{2, there, 1}})}, {address(2, here, 24), address(2, elsewhere, 26), old, address(3, there, 32),
                                                address(2, ip_address::v4(169, 254, 3, 3), 32, os::reach::link),
                                                address(2, ip_address::v4(10, 0, 0, 2), 32, os::reach::host)}));
    CHECK_FALSE(chosen.local_mode);
    CHECK(chosen.address == prefix{elsewhere, 26});
    CHECK(chosen.gateway == there);
    CHECK(chosen.interface == "eth0");
}

TEST_CASE("an interface with nothing but an autoconfigured IPv4 address still is a template")
{
    const auto zeroconf = address(2, ip_address::v4(169, 254, 3, 3), 16, os::reach::link);
    CHECK(choose(tables({route(any4, {{2, {}, 1}})}, {zeroconf})).address == zeroconf.address);
}

TEST_CASE("IPv6: a link-local address alone is no address, a missing one no obstacle")
{
    const prefix any6{};
    const auto alone = choose(tables({route(any6, {{2, ll6, 1}})}, {address(2, ll6, 64, os::reach::link)}), ip_family::ipv6);
    CHECK(alone.local_mode);
    const auto tunnel = choose(tables({route(any6, {{2, {}, 1}})}, {address(2, global6, 128)}), ip_family::ipv6);
    CHECK_FALSE(tunnel.local_mode);
    CHECK(tunnel.address == prefix{global6, 64});
    CHECK(tunnel.link_local.is_unspecified());
    CHECK(tunnel.gateway.is_unspecified());
}

TEST_CASE("a default route for one type of service yields to the others; equal metrics to the first")
{
    auto special = route(any4, {{3, elsewhere, 1}});
    special.tos = 16;
    const auto t = tables({special, route(any4, {{2, there, 1}}, 5), route(any4, {{3, there, 1}}, 5)},
                          {address(2, here, 24), address(3, elsewhere, 24)});
    CHECK(choose(t).interface == "eth0");
    CHECK(choose(t, ip_family::ipv4, 3).gateway == there);
}

TEST_CASE("multipath: the last hop names the interface, the heaviest on it the gateway")
{
    const auto chosen = choose(tables({route(any4, {{2, ip_address::v4(10, 0, 0, 1), 9}, {3, there, 1}, {3, elsewhere, 2}})},
                                      {address(3, here, 24), address(2, here, 32)}));
    CHECK(chosen.interface == "eth1");
    CHECK(chosen.gateway == elsewhere);
}

TEST_CASE("without a default route any route will do, but not loopback's and not a link-local one")
{
    const auto net = prefix{ip_address::v4(198, 51, 100, 0), 24};
    const auto t =
        tables({route(net, {{1, {}, 1}}), route({ip_address::v4(169, 254, 0, 0), 16}, {{2, {}, 1}}), route(net, {{3, there, 1}})},
               {address(3, here, 24), address(2, here, 24)});
    const auto chosen = choose(t);
    CHECK(chosen.interface == "eth1");
    CHECK(chosen.gateway.is_unspecified());
    CHECK(choose(tables({}, {address(2, here, 24)})).local_mode);
}

TEST_CASE("an address from the user makes do with an interface that has none")
{
    std::vector<std::string> notes;
    const auto t = tables({route(any4, {{2, there, 1}})}, {});
    CHECK(choose(t).local_mode);
    const auto chosen =
        choose_template({.family = ip_family::ipv4, .interface_index = 0, .address_given = true}, links, t, notes);
    CHECK_FALSE(chosen.local_mode);
    CHECK(chosen.gateway == there);
    CHECK(notes.empty());
}
