#include "daemon/config/guest_plan.hpp"
#include "daemon/config/host_template.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;

namespace {

constexpr auto host4 = ip_address::v4(192, 0, 2, 2), router4 = ip_address::v4(192, 0, 2, 1);
constexpr auto host6 = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 2}),
               router6 = ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, 0xabcd});
constexpr auto host_ll = ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, 2}),
               fallback_ll = ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, 1});
constexpr auto dns4 = ip_address::v4(198, 51, 100, 53), dns6 = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53});

host_network usual_host()
{
    host_network host;
    host.v4 = {
        .enabled = true, .interface_index = 2, .interface = "eth0", .address = {host4, 24}, .gateway = router4, .link_local = {}};
    host.v6 = {.enabled = true,
               .interface_index = 2,
               .interface = "eth0",
               .address = {host6, 64},
               .gateway = router6,
               .link_local = host_ll};
    host.resolvers = {dns4, dns6};
    host.search = {"example.org", "example.net"};
    host.name = "host";
    return host;
}

template <class Container>
std::vector<ip_address> all(const Container& c)
{
    return {c.begin(), c.end()};
}

using addresses = std::vector<ip_address>;

} // namespace

TEST_CASE("a usual host: the guest has its addresses, and the routers' addresses are ours")
{
    const auto host = usual_host();
    const auto guest = plan_guest({}, host, 7);
    CHECK(guest.ipv4);
    CHECK(guest.address4 == prefix{host4, 24});
    CHECK(guest.gateway4 == router4);
    CHECK(guest.our_address4 == router4);
    CHECK(guest.dhcp);
    CHECK(guest.ipv6);
    CHECK(guest.address6 == host6);
    CHECK(guest.our_link_local == router6);
    CHECK(guest.ndp);
    CHECK(guest.ra);
    CHECK(guest.dhcpv6);
    CHECK(all(guest.resolvers4) == addresses{dns4});
    CHECK(all(guest.resolvers6) == addresses{dns6});
    REQUIRE(guest.search.size() == 2);
    CHECK(guest.search[1].view() == "example.net");
    CHECK(guest.hostname.view() == "pasta-host");
    CHECK(guest.fqdn.empty());
    CHECK(guest.mtu == 65520);
    CHECK(guest.duid_time == 7);

    const auto t = plan_translation({}, host);
    CHECK(t.map_host_loopback4 == router4);
    CHECK(t.map_host_loopback6 == router6);
    CHECK(t.map_guest_addr4.is_unspecified());
    CHECK(t.names4.forwarded.empty());
    CHECK(t.names4.resolvers.empty());
    CHECK(t.guest4 == host4);
    CHECK(t.guest6 == host6);
    CHECK(t.our_tap4 == router4);
    CHECK(t.our_tap6_ll == router6);
}

TEST_CASE("a global IPv6 gateway leaves the host's link-local address to us, or fe80::1")
{
    auto host = usual_host();
    host.v6.gateway = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 1});
    CHECK(plan_guest({}, host, 0).our_link_local == host_ll);
    host.v6.link_local = {};
    CHECK(plan_guest({}, host, 0).our_link_local == fallback_ll);
    options opts;
    opts.gateway6 = router6;
    CHECK(plan_guest(opts, host, 0).our_link_local == router6);
}

TEST_CASE("local mode: DHCP has something to say, DHCPv6 has not")
{
    host_network host;
    host.v4 = local_mode(ip_family::ipv4);
    host.v6 = local_mode(ip_family::ipv6);
    const auto guest = plan_guest({}, host, 0);
    CHECK(guest.address4 == prefix{ip_address::v4(169, 254, 2, 1), 16});
    CHECK(guest.our_address4 == ip_address::v4(169, 254, 2, 2));
    CHECK(guest.dhcp);
    CHECK(guest.address6.is_unspecified());
    CHECK(guest.our_link_local == fallback_ll);
    CHECK(guest.ra);
    CHECK_FALSE(guest.dhcpv6);
    CHECK(plan_translation({}, host).map_host_loopback6 == fallback_ll);
}

TEST_CASE("without a gateway there is no DHCP and no address for the host's loopback, but we have one of our own")
{
    auto host = usual_host();
    host.v4.gateway = {};
    const auto guest = plan_guest({}, host, 0);
    CHECK_FALSE(guest.dhcp);
    CHECK(guest.our_address4 == ip_address::v4(169, 254, 2, 2));
    CHECK(plan_translation({}, host).map_host_loopback4.is_unspecified());
}

TEST_CASE("a family that is off is absent everywhere")
{
    auto host = usual_host();
    host.v6 = {};
    const auto guest = plan_guest({}, host, 0);
    CHECK_FALSE(guest.ipv6);
    CHECK_FALSE(guest.ra);
    CHECK_FALSE(guest.dhcpv6);
    CHECK(guest.resolvers6.empty());
    CHECK(plan_translation({}, host).our_tap6_ll.is_unspecified());
}

TEST_CASE("--config-net implies --no-ra; no echo implies no NDP")
{
    options opts;
    opts.config_net = true;
    CHECK_FALSE(plan_guest(opts, usual_host(), 0).ra);
    CHECK(plan_guest(opts, usual_host(), 0).ndp);
    opts = {};
    opts.icmp = false;
    CHECK_FALSE(plan_guest(opts, usual_host(), 0).ndp);
    CHECK_FALSE(plan_guest(opts, usual_host(), 0).ra);
}

TEST_CASE("an address without a length has that of its class; a length alone changes the host's")
{
    options opts;
    opts.address4 = ip_address::v4(172, 16, 0, 9);
    CHECK(plan_guest(opts, usual_host(), 0).address4 == prefix{ip_address::v4(172, 16, 0, 9), 16});
    CHECK(plan_translation(opts, usual_host()).guest4 == ip_address::v4(172, 16, 0, 9));
    opts = {};
    opts.prefix_length4 = 30;
    CHECK(plan_guest(opts, usual_host(), 0).address4 == prefix{host4, 30});
}

TEST_CASE("a resolver on the host's loopback is announced as the address that means the loopback, and forwarded from there")
{
    auto host = usual_host();
    host.resolvers = {ip_address::v4(127, 0, 0, 53), ip_address::v4(127, 0, 0, 1), dns4};
    CHECK(all(plan_guest({}, host, 0).resolvers4) == addresses{router4, dns4});
    auto t = plan_translation({}, host);
    CHECK(all(t.names4.forwarded) == addresses{router4});
    CHECK(all(t.names4.resolvers) == addresses{ip_address::v4(127, 0, 0, 53), ip_address::v4(127, 0, 0, 1), dns4});
    CHECK(t.names6.forwarded.empty());

    options opts;
    opts.dns_forward4 = ip_address::v4(169, 254, 1, 1);
    CHECK(all(plan_guest(opts, host, 0).resolvers4) == addresses{ip_address::v4(169, 254, 1, 1), dns4});
    CHECK(all(plan_translation(opts, host).names4.forwarded) == addresses{ip_address::v4(169, 254, 1, 1)});

    opts = {};
    opts.map_gw = false;
    CHECK(all(plan_guest(opts, host, 0).resolvers4) == addresses{dns4});
    CHECK(plan_translation(opts, host).names4.forwarded.empty());
}

TEST_CASE("a router that is the resolver too stays reachable as one, though its address means the loopback")
{
    auto host = usual_host();
    host.resolvers = {router4};
    options opts;
    opts.announce_dns = false;
    CHECK(plan_guest(opts, host, 0).resolvers4.empty());
    CHECK(all(plan_translation(opts, host).names4.forwarded) == addresses{router4});
    CHECK(all(plan_translation(opts, host).names4.resolvers) == addresses{router4});
}

TEST_CASE("--dns is announced verbatim; --dns-host says where forwarded queries go")
{
    options opts;
    opts.dns = std::vector{ip_address::v4(127, 0, 0, 1), router4};
    opts.dns_forward4 = ip_address::v4(169, 254, 1, 1);
    opts.dns_host4 = ip_address::v4(127, 0, 0, 7);
    CHECK(all(plan_guest(opts, usual_host(), 0).resolvers4) == *opts.dns);
    CHECK(plan_guest(opts, usual_host(), 0).resolvers6.empty());
    CHECK(all(plan_translation(opts, usual_host()).names4.resolvers) == addresses{ip_address::v4(127, 0, 0, 7)});
    opts.dns_forward6 = dns6;
    auto host = usual_host();
    host.resolvers = {dns4};
    CHECK(plan_translation(opts, host).names6.forwarded.empty());
    const auto waiting = plan_translation(opts, host, without_resolvers::queries_fail).names6;
    CHECK(all(waiting.forwarded) == addresses{dns6});
    CHECK(waiting.resolvers.empty());
}

TEST_CASE("queries go to the resolvers of their family in the order of resolv.conf, each once, and to no more than glibc asks")
{
    auto host = usual_host();
    const auto a = [](octet last) { return ip_address::v4(198, 51, 100, last); };
    host.resolvers = {a(4), dns6, a(2), a(4), a(3), a(1)};
    options opts;
    opts.dns_forward4 = ip_address::v4(169, 254, 1, 1);
    opts.dns_forward6 = ip_address::v6({0xfd00, 0, 0, 0, 0, 0, 0, 1});
    const auto t = plan_translation(opts, host);
    CHECK(all(t.names4.resolvers) == addresses{a(4), a(2), a(3)});
    CHECK(all(t.names6.resolvers) == addresses{dns6});
}

TEST_CASE("no more resolvers and domains than fit are announced")
{
    auto host = usual_host();
    host.resolvers.clear();
    for (octet i = 1; i <= 5; ++i)
        host.resolvers.push_back(ip_address::v4(198, 51, 100, i));
    host.search.assign(8, "example.org");
    host.search[0] = std::string(300, 'a');
    const auto guest = plan_guest({}, host, 0);
    CHECK(guest.resolvers4.size() == 3);
    CHECK(guest.search.size() == 6);
}

TEST_CASE("what the user says about names and mappings goes first")
{
    options opts;
    opts.hostname = "guest";
    opts.fqdn = "guest.example.org";
    opts.search = std::vector<std::string>{};
    opts.map_host_loopback4 = ip_address::v4(10, 9, 9, 9);
    opts.map_guest_addr6 = dns6;
    opts.gateway4 = ip_address::v4(192, 0, 2, 99);
    const auto guest = plan_guest(opts, usual_host(), 0);
    CHECK(guest.hostname.view() == "guest");
    CHECK(guest.fqdn.view() == "guest.example.org");
    CHECK(guest.search.empty());
    CHECK(guest.gateway4 == ip_address::v4(192, 0, 2, 99));
    const auto t = plan_translation(opts, usual_host());
    CHECK(t.map_host_loopback4 == ip_address::v4(10, 9, 9, 9));
    CHECK(t.map_guest_addr6 == dns6);
    CHECK(t.our_tap4 == ip_address::v4(192, 0, 2, 99));
    opts = {};
    opts.mode = mode::passt;
    CHECK(plan_guest(opts, usual_host(), 0).hostname.empty());
    CHECK(default_hostname(std::string(100, 'x')).size() == 64);
}

TEST_CASE("missing resolvers are worth a warning only where some were to be announced")
{
    auto host = usual_host();
    options opts;
    const auto warnings = [&] { return resolver_warnings(opts, host, plan_guest(opts, host, 0)); };
    CHECK(warnings().empty());
    host.resolvers = {dns4};
    CHECK(warnings() == std::vector<std::string>{"No IPv6 nameserver available for NDP/DHCPv6"});
    host.resolvers = {dns6};
    CHECK(warnings() == std::vector<std::string>{"No IPv4 nameserver available for DHCP"});
    host.resolvers = {};
    CHECK(warnings() == std::vector<std::string>{"Couldn't get any nameserver address; name one by --dns, or none"});
    host.resolv_conf_error = ENOENT;
    CHECK(warnings() == std::vector<std::string>{"Couldn't read /etc/resolv.conf: No such file or directory",
                                                 "Couldn't get any nameserver address; name one by --dns, or none"});
    opts.announce_dns = false;
    CHECK(warnings().empty());
    host.resolv_conf_error = EACCES;
    CHECK(warnings() == std::vector<std::string>{"Couldn't read /etc/resolv.conf: Permission denied"});
}

TEST_CASE("queries that are to be forwarded where no resolver of their family is known are worth a warning")
{
    auto host = usual_host();
    options opts;
    opts.announce_dns = false;
    opts.dns_forward4 = ip_address::v4(169, 254, 1, 1);
    const auto warnings = [&] { return resolver_warnings(opts, host, plan_guest(opts, host, 0)); };
    CHECK(warnings().empty());
    host.resolvers = {dns6};
    CHECK(warnings() ==
          std::vector<std::string>{"--dns-forward 169.254.1.1 leads nowhere: /etc/resolv.conf has no resolver of IPv4, "
                                   "name one by --dns-host"});
    opts.dns_host4 = dns4;
    CHECK(warnings().empty());
    opts.dns_host4.reset();
    host.v4.enabled = false;
    CHECK(warnings().empty());
}
