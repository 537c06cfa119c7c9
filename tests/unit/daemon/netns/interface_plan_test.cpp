#include "daemon/netns/interface_plan.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;

TEST_CASE("the interface in the namespace is called as the template is, unless that is the loopback")
{
    options opts;
    host_network host;
    CHECK(interface_name(opts, host) == "tap0");
    host.v4.interface = "lo";
    CHECK(interface_name(opts, host) == "tap0");
    host.v6.interface = "eth6";
    CHECK(interface_name(opts, host) == "eth6");
    host.v4.interface = "eth4";
    CHECK(interface_name(opts, host) == "eth4");
    opts.ns_ifname = "tap7";
    CHECK(interface_name(opts, host) == "tap7");
}
