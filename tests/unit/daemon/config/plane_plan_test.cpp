#include "daemon/config/plane_plan.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace tapioca;
using namespace std::chrono_literals;

namespace {

plane_config plane_of(const host_network& host, const options& opts = {})
{
    return plan_plane(opts, host, {}, mac_address::broadcast());
}

} // namespace

TEST_CASE("UDP flows live as long as the host's firewall remembers them")
{
    host_network host;
    CHECK(plane_of(host).udp_timeout == 30s); // no connection tracking: its usual values
    CHECK(plane_of(host).udp_stream_timeout == 120s);
    host.udp_timeout = 45;
    host.udp_stream = 300;
    CHECK(plane_of(host).udp_timeout == 45s);
    CHECK(plane_of(host).udp_stream_timeout == 300s);
}

TEST_CASE("timeouts beyond reason are cut, and a conversation never ends sooner than a question")
{
    host_network host;
    host.udp_timeout = 0;
    host.udp_stream = 0xffff'ffff;
    CHECK(plane_of(host).udp_timeout == 5s);
    CHECK(plane_of(host).udp_stream_timeout == 1h);
    host.udp_timeout = 60;
    host.udp_stream = 10;
    CHECK(plane_of(host).udp_stream_timeout == 60s);
}

TEST_CASE("what is forwarded, and how, is handed on")
{
    options opts;
    opts.host_rules.push_back({.protocol = 6, .first = 80, .last = 80, .target_first = 81});
    opts.guest_rules.push_back({.protocol = 17, .first = 53, .last = 53, .target_first = 53});
    opts.host_loopback_to_namespace = opts.splice_only = true;
    const auto plane = plane_of({}, opts);
    REQUIRE((plane.host_rules.size() == 1 && plane.guest_rules.size() == 1));
    CHECK((plane.host_rules[0].target_first == 81 && plane.guest_rules[0].first == 53));
    CHECK((plane.splice && plane.host_loopback_to_namespace && plane.splice_only));
    opts.splice = false;
    CHECK_FALSE(plane_of({}, opts).splice);
    opts.splice = true;
    opts.mode = mode::passt; // the guest's loopback is out of reach
    CHECK_FALSE(plane_of({}, opts).splice);
}

TEST_CASE("what an egress policy takes for the host and its networks is told if there is one")
{
    options opts;
    host_network host;
    const auto lan = ip_address::v4(10, 1, 0, 0), own = ip_address::v4(192, 0, 2, 2);
    host.addresses = {own, ip_address::loopback(ip_family::ipv6)};
    host.networks = {{ip_address::v4(10, 1, 2, 0), 24}, {ip_address::v4(192, 0, 2, 0), 24}, {lan, 16}, {lan, 16}};
    CHECK(plane_of(host, opts).places == nullptr);
    opts.egress = {"no-lan"};
    const auto plane = plane_of(host, opts);
    REQUIRE(plane.places != nullptr);
    CHECK(plane.places->is_own(own));
    CHECK(plane.places->is_own(ip_address::loopback(ip_family::ipv6)));
    CHECK(plane.places->reachable == std::vector<prefix>{{lan, 16}, {ip_address::v4(192, 0, 2, 0), 24}});
}

TEST_CASE("what stands for the host or a resolver is not the guest's to take")
{
    options opts;
    opts.map_host_loopback4 = ip_address::v4(192, 0, 2, 77);
    opts.map_guest_addr6 = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x77});
    host_network host;
    host.v4.enabled = host.v6.enabled = true;
    const auto plane = plane_of(host, opts);
    const auto& all = plane.net.stand_ins;
    CHECK(std::find(all.begin(), all.end(), *opts.map_host_loopback4) != all.end());
    CHECK(std::find(all.begin(), all.end(), *opts.map_guest_addr6) != all.end());
    CHECK(std::none_of(all.begin(), all.end(), [](const auto& a) { return a.is_unspecified(); }));
}

TEST_CASE("what goes unanswered is repeated as the host's sysctls say, within the kernel's own limits")
{
    host_network host;
    const auto usual = plane_of(host).retries;
    CHECK(usual.retries == 15);
    CHECK(usual.syn_retries == 6);
    CHECK(usual.syn_linear_timeouts == 4);
    CHECK(usual.rto_max == 120s);
    host.tcp_retries = 8;
    host.tcp_syn_retries = 2;
    host.tcp_syn_linear_timeouts = 0;
    host.tcp_rto_max_ms = 5000;
    const auto other = plane_of(host).retries;
    CHECK(other.retries == 8);
    CHECK(other.syn_retries == 2);
    CHECK(other.syn_linear_timeouts == 0);
    CHECK(other.rto_max == 5s);
    host.tcp_retries = 255;
    host.tcp_syn_retries = 0;
    host.tcp_syn_linear_timeouts = 0xffff'ffff;
    host.tcp_rto_max_ms = 1;
    const auto bounded = plane_of(host).retries;
    CHECK(bounded.retries == 254);
    CHECK(bounded.syn_retries == 1);
    CHECK(bounded.syn_linear_timeouts == 127);
    CHECK(bounded.rto_max == 1s);
}

TEST_CASE("the log is told of each flow only if the user debugs")
{
    CHECK_FALSE(plane_of({}).report_flows);
    options opts;
    opts.level = log_level::debug;
    CHECK(plane_of({}, opts).report_flows);
}

TEST_CASE("without an interface, nobody in the namespace has the addresses that the guest would get")
{
    host_network host;
    host.v4.enabled = true;
    host.v4.address = {ip_address::v4(192, 0, 2, 2), 24};
    options opts;
    CHECK(plane_of(host, opts).address_map.guest4 == ip_address::v4(192, 0, 2, 2));
    opts.splice_only = true;
    CHECK(plane_of(host, opts).address_map.guest4.is_unspecified());
}
