// The guest's interface as it comes out of hosts of every kind: configured by our own code, judged by ip(8).
#include "tests/netns/cpp/simulated_host.hpp"
#include "tests/support/catch.hpp"

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
