// The guest's interface as it comes out of hosts of every kind: configured by our own code, judged by ip(8).
#include "daemon/config/guest_plan.hpp"
#include "daemon/netns/interface.hpp"
#include "tests/netns/cpp/simulated_host.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace tapioca;
using namespace tapioca::test;

namespace {

/// A host with one interface whose link is up.
lines with_eth0(const lines& commands)
{
    lines all = {"ip link set lo up", "ip link add eth0 type veth peer name far0", "ip link set far0 up", "ip link set eth0 up"};
    all.insert(all.end(), commands.begin(), commands.end());
    return all;
}

bool has(const lines& all, const char* line) { return std::find(all.begin(), all.end(), line) != all.end(); }

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("a host with both families: addresses and routes appear once in the guest")
{
    const auto guest =
        configured_guest(with_eth0({"ip addr add 192.0.2.2/24 brd + dev eth0", "ip addr add 2001:db8::2/64 dev eth0 nodad",
                                    "ip route add default via 192.0.2.1", "ip route add default via 2001:db8::1"}));
    CHECK(guest["error"] == lines{});
    CHECK(guest["host4"] == lines{"192.0.2.2/24", "192.0.2.1"});
    CHECK(guest["host6"] == lines{"2001:db8::2/64", "2001:db8::1"});
    CHECK(guest["addr4"] == lines{"inet 192.0.2.2/24 brd 192.0.2.255 scope global eth0"});
    CHECK(guest["addr6"] == lines{"inet6 2001:db8::2/64 scope global nodad"});
    CHECK(guest["route4"] ==
          lines{"default via 192.0.2.1 dev eth0", "192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.2"});
    CHECK(guest["route6"] == lines{"2001:db8::/64 dev eth0 proto kernel metric 256 pref medium",
                                   "fe80::/64 dev eth0 proto kernel metric 256 pref medium",
                                   "default via 2001:db8::1 dev eth0 metric 1024 pref medium"});
    REQUIRE(guest["link"].size() == 1);
    CHECK(contains(guest["link"][0], "mtu 65520"));
    CHECK(contains(guest["link"][0], ",UP"));
    CHECK_FALSE(contains(guest["link"][0], "NOARP"));
    CHECK(contains(guest["lo"][0], "LOOPBACK,UP"));
    REQUIRE(guest["linklocal"].size() == 1);
    CHECK(contains(guest["linklocal"][0], "nodad"));
    CHECK(guest["warnings"].empty());
}

TEST_CASE("an off-link gateway is reached over the route that the host has to it")
{
    const auto guest = configured_guest(
        with_eth0({"ip addr add 192.0.2.2/32 dev eth0", "ip route add 198.51.100.1 dev eth0",
                   "ip route add default via 198.51.100.1 dev eth0", "ip addr add 2001:db8::2/128 dev eth0 nodad",
                   "ip route add 2001:db8:1::1 dev eth0", "ip route add default via 2001:db8:1::1 dev eth0"}));
    CHECK(guest["error"] == lines{});
    CHECK(guest["host4"] == lines{"192.0.2.2/32", "198.51.100.1"});
    CHECK(guest["route4"] == lines{"default via 198.51.100.1 dev eth0", "198.51.100.1 dev eth0 scope link"});
    CHECK(guest["addr6"] == lines{"inet6 2001:db8::2/128 scope global nodad"});
    CHECK(has(guest["route6"], "default via 2001:db8:1::1 dev eth0 metric 1024 pref medium"));
    CHECK(has(guest["route6"], "2001:db8:1::1 dev eth0 metric 1024 pref medium"));
}

TEST_CASE("an on-link flag travels with its route")
{
    const auto guest = configured_guest(
        with_eth0({"ip addr add 192.0.2.2/32 dev eth0", "ip route add default via 198.51.100.1 dev eth0 onlink"}));
    CHECK(guest["error"] == lines{});
    CHECK(guest["route4"] == lines{"default via 198.51.100.1 dev eth0 onlink"});
}

TEST_CASE("a multipath route keeps the hops through the template interface")
{
    const auto guest =
        configured_guest(with_eth0({"ip link add eth1 type veth peer name far1", "ip link set far1 up", "ip link set eth1 up",
                                    "ip addr add 192.0.2.2/24 dev eth0", "ip addr add 198.51.100.2/24 dev eth1",
                                    "ip route add default nexthop via 192.0.2.1 dev eth0 weight 1 nexthop via 192.0.2.3 dev eth0 "
                                    "weight 5 nexthop via 198.51.100.1 dev eth1 "
                                    "nexthop via 192.0.2.4 dev eth0"}));
    CHECK(guest["error"] == lines{});
    CHECK(guest["host4"] == lines{"192.0.2.2/24", "192.0.2.3"});
    CHECK(guest["route4"] == lines{"default", "nexthop via 192.0.2.1 dev eth0 weight 1",
                                   "nexthop via 192.0.2.3 dev eth0 weight 5", "nexthop via 192.0.2.4 dev eth0 weight 1",
                                   "192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.2"});
}

TEST_CASE("a multipath IPv6 route works as well, and one hop that is left is a plain route")
{
    const auto guest =
        configured_guest(with_eth0({"ip link add eth1 type veth peer name far1", "ip link set far1 up", "ip link set eth1 up",
                                    "ip addr add 2001:db8::2/64 dev eth0 nodad", "ip addr add 2001:db8:1::2/64 dev eth1 nodad",
                                    "ip route add default nexthop via 2001:db8::1 dev eth0 nexthop via 2001:db8:1::1 dev eth1"}));
    CHECK(guest["error"] == lines{});
    CHECK(guest["host6"] == lines{"2001:db8:1::2/64", "2001:db8:1::1"});
    CHECK(has(guest["route6"], "default via 2001:db8:1::1 dev eth1 metric 1024 pref medium"));
}

TEST_CASE("of several default routes the one with the lowest metric decides, and all through its interface are copied")
{
    const auto guest = configured_guest(
        with_eth0({"ip link add eth1 type veth peer name far1", "ip link set far1 up", "ip link set eth1 up",
                   "ip addr add 192.0.2.2/24 dev eth0", "ip addr add 198.51.100.2/24 dev eth1",
                   "ip route add default via 198.51.100.1 metric 50", "ip route add default via 192.0.2.1 metric 10",
                   "ip route add default via 192.0.2.9 metric 60"}));
    CHECK(guest["error"] == lines{});
    CHECK(guest["host4"] == lines{"192.0.2.2/24", "192.0.2.1"});
    CHECK(guest["route4"] == lines{"default via 192.0.2.1 dev eth0 metric 10", "default via 192.0.2.9 dev eth0 metric 60",
                                   "192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.2"});
    CHECK(has(guest["notes"], "Multiple default IPv4 routes, picked first"));
}

TEST_CASE("a host without any network gives the guest a local one in both families")
{
    const auto guest = configured_guest({});
    CHECK(guest["error"] == lines{});
    CHECK(guest["host4"] == lines{"169.254.2.1/16", "169.254.2.2", "local"});
    CHECK(guest["host6"] == lines{"::/64", "fe80::1", "local"});
    CHECK(guest["addr4"] == lines{"inet 169.254.2.1/16 scope global tap0"});
    CHECK(guest["addr6"] == lines{});
    CHECK(guest["linklocal"].size() == 1);
    CHECK(guest["route4"] ==
          lines{"default via 169.254.2.2 dev tap0", "169.254.0.0/16 dev tap0 proto kernel scope link src 169.254.2.1"});
    CHECK(has(guest["route6"], "default via fe80::1 dev tap0 metric 1024 pref medium"));
    CHECK(guest["warnings"] == lines{});
}

TEST_CASE("a host with IPv4 alone: IPv6 is local, on the same interface name")
{
    const auto guest = configured_guest(with_eth0({"sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1",
                                                   "ip addr add 192.0.2.2/24 dev eth0", "ip route add default via 192.0.2.1"}));
    CHECK(guest["error"] == lines{});
    CHECK(guest["host4"] == lines{"192.0.2.2/24", "192.0.2.1"});
    CHECK(guest["host6"] == lines{"::/64", "fe80::1", "local"});
    CHECK(guest["addr4"] == lines{"inet 192.0.2.2/24 scope global eth0"});
    CHECK(has(guest["route6"], "default via fe80::1 dev eth0 metric 1024 pref medium"));
}

TEST_CASE("a host with IPv6 alone, behind a link-local gateway: IPv4 is local")
{
    const auto guest = configured_guest(with_eth0(
        {"ip addr add 2001:db8::2/64 dev eth0 nodad", "ip route add default via fe80::abcd dev eth0 proto ra metric 100"}));
    CHECK(guest["error"] == lines{});
    CHECK(guest["host4"] == lines{"169.254.2.1/16", "169.254.2.2", "local"});
    CHECK(guest["host6"] == lines{"2001:db8::2/64", "fe80::abcd"});
    CHECK(has(guest["route4"], "default via 169.254.2.2 dev eth0"));
    CHECK(has(guest["route6"], "default via fe80::abcd dev eth0 proto ra metric 100 pref medium"));
}

TEST_CASE("an IPv4 route through an IPv6 gateway is copied, and no IPv4 gateway is claimed")
{
    const auto guest =
        configured_guest(with_eth0({"ip addr add 192.0.2.2/32 dev eth0", "ip addr add 2001:db8::2/64 dev eth0 nodad",
                                    "ip -4 route add default via inet6 fe80::abcd dev eth0"}));
    CHECK(guest["error"] == lines{});
    CHECK(guest["host4"] == lines{"192.0.2.2/32", "::"});
    CHECK(guest["route4"] == lines{"default via inet6 fe80::abcd dev eth0"});
}

TEST_CASE("an interface that needs no gateway gives its default route as it is")
{
    const auto guest =
        configured_guest(with_eth0({"ip addr add 192.0.2.2 peer 198.51.100.7 dev eth0", "ip route add default dev eth0"}));
    CHECK(guest["error"] == lines{});
    CHECK(guest["addr4"] == lines{"inet 192.0.2.2 peer 198.51.100.7/32 scope global eth0"});
    CHECK(guest["route4"] == lines{"default dev eth0 scope link", "198.51.100.7 dev eth0 proto kernel scope link src 192.0.2.2"});
}

TEST_CASE("an unnumbered interface borrows the address that its route names")
{
    const auto guest = configured_guest(
        with_eth0({"ip addr add 203.0.113.5/32 dev lo", "ip route add default via 192.0.2.1 dev eth0 onlink src 203.0.113.5"}));
    CHECK(guest["error"] == lines{});
    CHECK(guest["host4"] == lines{"203.0.113.5/32", "192.0.2.1"});
    CHECK(guest["addr4"] == lines{"inet 203.0.113.5/32 scope global eth0"});
    CHECK(guest["route4"] == lines{"default via 192.0.2.1 dev eth0 onlink"});
}

TEST_CASE("all addresses valid beyond the link are copied; deprecated ones are not, nor foreign labels")
{
    const auto guest =
        configured_guest(with_eth0({"ip addr add 192.0.2.2/24 dev eth0", "ip addr add 198.51.100.2/25 dev eth0 label eth0:1",
                                    "ip addr add 203.0.113.2/24 dev eth0 preferred_lft 0 valid_lft 1000",
                                    "ip addr add 169.254.9.9/16 dev eth0 scope link", "ip addr add 2001:db8::2/64 dev eth0 nodad",
                                    "ip addr add 2001:db8::99/128 dev eth0 nodad", "ip route add default via 192.0.2.1"}));
    CHECK(guest["error"] == lines{});
    CHECK(guest["host4"][0] == "198.51.100.2/25");
    CHECK(guest["addr4"] == lines{"inet 192.0.2.2/24 scope global eth0", "inet 198.51.100.2/25 scope global eth0"});
    CHECK(guest["addr6"].size() == 2);
    CHECK(guest["host6"][0] == "2001:db8::99/64");
}

TEST_CASE("prefix routes that the administrator took into his own hands stay as they are")
{
    const auto guest = configured_guest(with_eth0(
        {"ip addr add 192.0.2.2/24 dev eth0 noprefixroute", "ip addr add 198.51.100.2/24 metric 77 dev eth0",
         "ip route add 192.0.2.0/24 dev eth0 proto dhcp scope link metric 100 mtu 1400", "ip route add default via 192.0.2.1"}));
    CHECK(guest["error"] == lines{});
    CHECK(guest["route4"] == lines{"default via 192.0.2.1 dev eth0",
                                   "192.0.2.0/24 dev eth0 proto dhcp scope link metric 100 mtu 1400",
                                   "198.51.100.0/24 dev eth0 proto kernel scope link src 198.51.100.2 metric 77"});
}

TEST_CASE("an address and a gateway of the user's own replace copies of addresses and of routes")
{
    options opts;
    opts.address4 = ip_address::v4(10, 0, 0, 5);
    opts.prefix_length4 = 24;
    opts.gateway4 = ip_address::v4(10, 0, 0, 1);
    opts.address6 = ip_address::v6({0xfd00, 0, 0, 0, 0, 0, 0, 5});
    opts.gateway6 = ip_address::v6({0xfd00, 0, 0, 0, 0, 0, 0, 1});
    const auto guest =
        configured_guest(with_eth0({"ip addr add 192.0.2.2/24 dev eth0", "ip addr add 2001:db8::2/64 dev eth0 nodad",
                                    "ip route add default via 192.0.2.1", "ip route add default via 2001:db8::1"}),
                         opts);
    CHECK(guest["error"] == lines{});
    CHECK(guest["addr4"] == lines{"inet 10.0.0.5/24 scope global eth0"});
    CHECK(guest["route4"] == lines{"default via 10.0.0.1 dev eth0", "10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.5"});
    CHECK(guest["addr6"] == lines{"inet6 fd00::5/64 scope global nodad"});
    CHECK(has(guest["route6"], "default via fd00::1 dev eth0 metric 1024 pref medium"));
}

TEST_CASE("a gateway of the user's own outside the network is reached all the same, with and without a host")
{
    options opts;
    opts.gateway4 = ip_address::v4(10, 0, 0, 1);
    opts.gateway6 = ip_address::v6({0xfd00, 0, 0, 0, 0, 0, 0, 1});
    const auto guest =
        configured_guest(with_eth0({"ip addr add 192.0.2.2/24 dev eth0", "ip route add default via 192.0.2.1"}), opts);
    CHECK(guest["error"] == lines{});
    CHECK(guest["route4"] == lines{"default via 10.0.0.1 dev eth0", "10.0.0.1 dev eth0 scope link",
                                   "192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.2"});
    CHECK(has(guest["route6"], "default via fd00::1 dev eth0 metric 1024 pref medium"));

    opts = {};
    opts.address4 = ip_address::v4(10, 0, 0, 5);
    const auto local = configured_guest({}, opts);
    CHECK(local["error"] == lines{});
    CHECK(local["addr4"] == lines{"inet 10.0.0.5/8 scope global tap0"});
    CHECK(has(local["route4"], "default via 169.254.2.2 dev tap0"));
}

TEST_CASE("--no-copy-routes leaves the default route alone, --no-copy-addrs one address")
{
    options opts;
    opts.copy_routes = opts.copy_addresses = false;
    const auto guest =
        configured_guest(with_eth0({"ip addr add 192.0.2.2/24 dev eth0", "ip addr add 198.51.100.2/25 dev eth0",
                                    "ip route add default via 192.0.2.1", "ip route add 203.0.113.0/24 via 192.0.2.7"}),
                         opts);
    CHECK(guest["error"] == lines{});
    CHECK(guest["addr4"] == lines{"inet 198.51.100.2/25 scope global eth0"});
    CHECK(guest["route4"] == lines{"default via 192.0.2.1 dev eth0", "192.0.2.1 dev eth0 scope link",
                                   "198.51.100.0/25 dev eth0 proto kernel scope link src 198.51.100.2"});
}

TEST_CASE("--no-copy-routes without a gateway makes everything a neighbour")
{
    options opts;
    opts.copy_routes = false;
    const auto guest = configured_guest(with_eth0({"ip addr add 192.0.2.2/24 dev eth0", "ip route add default dev eth0"}), opts);
    CHECK(guest["error"] == lines{});
    CHECK(guest["route4"] == lines{"default dev eth0 scope link", "192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.2"});
}

TEST_CASE("routes that need others come out in any order, however many there are")
{
    const auto guest = configured_guest(with_eth0(
        {"ip addr add 192.0.2.2/24 dev eth0", "ip route add default via 192.0.2.1", "ip route add 10.9.0.0/16 via 192.0.2.1",
         "seq 1 3000 | while read n; do echo route add 10.$((n / 250)).$((n % 250)).0/24 via 192.0.2.1; done | ip -batch -"}));
    CHECK(guest["error"] == lines{});
    CHECK(guest["route4"].size() == 3003);
    CHECK(guest["notes"] == lines{"No usable IPv6 set-up on the host, guest network is local"});
}

TEST_CASE("a namespace without IPv6 is no reason to fail")
{
    options opts;
    opts.mtu = 1000; // below RFC 8200 section 5: the kernel has no IPv6 on such a link
    const auto guest =
        configured_guest(with_eth0({"ip addr add 192.0.2.2/24 dev eth0", "ip addr add 2001:db8::2/64 dev eth0 nodad",
                                    "ip route add default via 192.0.2.1", "ip route add default via 2001:db8::1"}),
                         opts);
    CHECK(guest["error"] == lines{});
    CHECK(guest["addr4"].size() == 1);
    CHECK(guest["addr6"] == lines{});
    CHECK(guest["warnings"] == lines{"IPv6 not supported, disabling"});

    const lines without = {"sysctl -qw net.ipv6.conf.default.disable_ipv6=1"};
    for (const auto& host :
         {with_eth0({"ip addr add 2001:db8::2/64 dev eth0 nodad", "ip route add default via 2001:db8::1"}), lines{}}) {
        const auto off = configured_guest(host, {}, without);
        CHECK(off["error"] == lines{});
        CHECK(off["addr4"].size() == 1);
        CHECK(off["addr6"] == lines{});
        CHECK(off["warnings"] == lines{"IPv6 not supported, disabling"});
    }
}

TEST_CASE("the interface gets the name and the MAC address that were asked for, or says why not")
{
    options opts;
    opts.ns_ifname = "outside";
    opts.ns_mac = mac_address{{0x02, 0, 0, 0, 0, 0x17}};
    opts.mtu = 1500;
    const auto guest =
        configured_guest(with_eth0({"ip addr add 192.0.2.2/24 dev eth0", "ip route add default via 192.0.2.1"}), opts);
    CHECK(guest["error"] == lines{});
    CHECK(contains(guest["link"][0], "mtu 1500"));
    CHECK(contains(guest["link"][0], "02:00:00:00:00:17"));
    CHECK(guest["state"] == lines{"02:00:00:00:00:17", "fe80::ff:fe00:17"});

    opts.ns_mac = mac_address::broadcast();
    const auto refused = configured_guest(with_eth0({}), opts);
    CHECK(refused["error"] == lines{"Couldn't set MAC address in namespace: Cannot assign requested address; "
                                    "the kernel takes no address of a group, and not zero"});
}

TEST_CASE("a named interface is the template of both families; one that does not exist ends the start")
{
    options opts;
    opts.interface = "eth1";
    const lines host = with_eth0({"ip link add eth1 type veth peer name far1", "ip link set far1 up", "ip link set eth1 up",
                                  "ip addr add 192.0.2.2/24 dev eth0", "ip route add default via 192.0.2.1",
                                  "ip addr add 198.51.100.2/24 dev eth1"});
    const auto guest = configured_guest(host, opts);
    CHECK(guest["error"] == lines{});
    CHECK(guest["host4"] == lines{"198.51.100.2/24", "::"});
    CHECK(guest["route4"] == lines{"198.51.100.0/24 dev eth1 proto kernel scope link src 198.51.100.2"});

    opts.interface = "nosuch0";
    CHECK(configured_guest(host, opts)["error"] ==
          lines{"Invalid interface name nosuch0: No such device; there are lo, far0, eth0, far1, eth1"});
    opts.interface.reset();
    opts.outbound_if4 = "far0";
    CHECK(configured_guest(host, opts)["error"] ==
          lines{"External interface not usable; --outbound-if4 far0: the interface has no address of IPv4"});
    opts.outbound_if4 = "eth1";
    CHECK(configured_guest(host, opts)["host4"] == lines{"198.51.100.2/24", "::"});
}

TEST_CASE("nexthop objects become plain routes; what only stops packets is not copied")
{
    const auto guest = configured_guest(
        with_eth0({"ip addr add 192.0.2.2/24 dev eth0", "ip addr add 2001:db8::2/64 dev eth0 nodad",
                   "ip nexthop add id 1 via 192.0.2.1 dev eth0", "ip nexthop add id 2 via 192.0.2.3 dev eth0",
                   "ip nexthop add id 3 group 1/2", "ip nexthop add id 4 via fe80::abcd dev eth0", "ip route add default nhid 1",
                   "ip route add 203.0.113.0/24 nhid 3", "ip -6 route add default nhid 4", "ip route add blackhole 10.0.0.0/8",
                   "ip -6 route add unreachable 2001:db8:9::/48"}));
    CHECK(guest["error"] == lines{});
    CHECK(guest["host4"] == lines{"192.0.2.2/24", "192.0.2.1"});
    CHECK(guest["host6"] == lines{"2001:db8::2/64", "fe80::abcd"});
    CHECK(guest["route4"] == lines{"default via 192.0.2.1 dev eth0",
                                   "192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.2", "203.0.113.0/24",
                                   "nexthop via 192.0.2.1 dev eth0 weight 1", "nexthop via 192.0.2.3 dev eth0 weight 1"});
    CHECK(has(guest["route6"], "default via fe80::abcd dev eth0 metric 1024 pref medium"));
}

TEST_CASE("IPv6 routes of equal metric through several routers are copied")
{
    const auto guest = configured_guest(with_eth0(
        {"ip addr add 2001:db8::2/64 dev eth0 nodad", "ip route add default proto ra metric 100 via fe80::a dev eth0",
         "ip -6 route append default proto ra metric 100 via fe80::b dev eth0",
         "ip -6 route add default proto static metric 200 nexthop via fe80::c dev eth0 nexthop via fe80::d dev eth0 weight 3"}));
    CHECK(guest["error"] == lines{});
    CHECK(guest["host6"] == lines{"2001:db8::2/64", "fe80::a"});
    CHECK(has(guest["route6"], "default proto ra metric 100 pref medium"));
    CHECK(has(guest["route6"], "nexthop via fe80::b dev eth0 weight 1"));
    CHECK(has(guest["route6"], "nexthop via fe80::d dev eth0 weight 3"));
}

TEST_CASE("without --config-net the interface stays down and loses nothing but its MAC address")
{
    const auto found = in_namespaces([](findings& f) {
        options opts;
        opts.ns_mac = mac_address{{0x02, 0, 0, 0, 0, 0x17}};
        opts.mtu = 1500;
        const auto host = discover(opts);
        const auto plan = plan_interface(opts, host, plan_guest(opts, host, 0));
        make_interface(plan.name);
        bring_up_loopback();
        static_cast<void>(configure_tap(plan, plan.name));
        for (const auto& line : shell("ip -o link show dev lo; ip -o link show dev tap0; ip -o addr show dev tap0; ip route"))
            f.add("all", line);
    });
    CHECK(found["error"] == lines{});
    REQUIRE(found["all"].size() == 2);
    CHECK(contains(found["all"][0], "LOOPBACK,UP"));
    CHECK(contains(found["all"][1], "<BROADCAST,MULTICAST>"));
    CHECK(contains(found["all"][1], "02:00:00:00:00:17"));
}
