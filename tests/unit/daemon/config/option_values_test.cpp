#include "daemon/config/address_text.hpp"
#include "tests/unit/daemon/config/command_line_support.hpp"

#include <pwd.h>

using namespace tapioca;
using namespace tapioca::test;

namespace {

ip_address ip(const char* text) { return parse_ip(text).value(); }

struct wrong_value {
    const char *line, *text;
};

constexpr wrong_value refusals[] = {
    {"--log-size x", "Invalid --log-size: x"},
    {"--log-size 40959", "Invalid --log-size: 40959"},
    {"--runas nosuchlogin", "Invalid --runas option: nosuchlogin"},
    {"--runas root", "Invalid --runas option: root"},
    {"--runas 1:", "Invalid --runas option: 1:"},
    {"--runas 4294967295", "Invalid --runas option: 4294967295"},
    {"--runas nobody:nosuchgroup", "Invalid --runas option: nobody:nosuchgroup"},
    {"--drain-timeout 3601", "Invalid --drain-timeout, a number of seconds from 0 to 3600 is needed: 3601"},
    {"--drain-timeout x", "Invalid --drain-timeout, a number of seconds from 0 to 3600 is needed: x"},
    {"--drain-timeout -1", "Invalid --drain-timeout, a number of seconds from 0 to 3600 is needed: -1"},
    {"--exit-fd 2", "Invalid --exit-fd: 2"},
    {"--exit-fd x", "Invalid --exit-fd: x"},
    {"--exit-fd 5 --fd 5", "--exit-fd is the same descriptor as --fd"},
    {"--workers 0", "Invalid --workers, a number from 1 to 64 is needed: 0"},
    {"--workers 65", "Invalid --workers, a number from 1 to 64 is needed: 65"},
    {"-m ''", "Invalid MTU: "},
    {"-m -1", "Invalid MTU: -1"},
    {"-m 65522", "MTU 65522 too large (max 65521)"},
    {"-a 127.0.0.1", "Invalid guest address: 127.0.0.1"},
    {"-a ::1", "Invalid guest address: ::1"},
    {"-a 0.0.0.0", "Invalid guest address: 0.0.0.0"},
    {"-a 224.0.0.1/4", "Invalid guest address: 224.0.0.1/4"},
    {"-a ff02::1", "Invalid guest address: ff02::1"},
    {"-a ::", "Invalid guest address: ::"},
    {"-a host", "Invalid guest address: host"},
    {"-a 10.0.0.1/33", "Invalid prefix length: 10.0.0.1/33"},
    {"-a fc00::1/129", "Invalid prefix length: fc00::1/129"},
    {"-a 10.0.0.1/", "Invalid guest address: 10.0.0.1/"},
    {"-a 10.0.0.1/24 -n 24", "Redundant prefix length specification"},
    {"-n 24 -a 10.0.0.1/24", "Redundant prefix length specification"},
    {"-n 33", "Invalid prefix length: 33"},
    {"-n 255.0.255.0", "Invalid prefix length: 255.0.255.0"},
    {"-M 9a:55", "Invalid MAC address: 9a:55"},
    {"-M 01:00:00:00:00:01", "Invalid MAC address: 01:00:00:00:00:01"},
    {"-g 0.0.0.0", "Invalid gateway address: 0.0.0.0"},
    {"-g 127.0.0.1", "Invalid gateway address: 127.0.0.1"},
    {"-g 255.255.255.255", "Invalid gateway address: 255.255.255.255"},
    {"-g ::1", "Invalid gateway address: ::1"},
    {"-o ::1", "Invalid or redundant outbound address: ::1"},
    {"-o ::ffff:1.2.3.4", "Invalid or redundant outbound address: ::ffff:1.2.3.4"},
    {"-o ff02::1", "Invalid or redundant outbound address: ff02::1"},
    {"-o 0.0.0.0", "Invalid or redundant outbound address: 0.0.0.0"},
    {"--outbound-if4 a/b", "Invalid interface name: a/b"},
    {"--outbound-if6 ''", "Invalid interface name: "},
    {"-D host", "Cannot use DNS address host"},
    {"-D 0.0.0.0", "Cannot use DNS address 0.0.0.0"},
    {"-S a..b", "Cannot use DNS search domain a..b"},
    {"-S a~_b~_c~_d~_e~_f~_g", "Cannot use DNS search domain g"},
    {"--dns-forward ::", "Invalid DNS forwarding address: ::"},
    {"--dns-forward 127.0.0.53", "Invalid DNS forwarding address: 127.0.0.53"},
    {"--dns-forward 255.255.255.255", "Invalid DNS forwarding address: 255.255.255.255"},
    {"--dns-host x", "Invalid host nameserver address: x"},
    {"--map-host-loopback 127.0.0.1", "Invalid address to remap to host: 127.0.0.1"},
    {"--map-host-loopback ff02::1", "Invalid address to remap to host: ff02::1"},
    {"--map-guest-addr 0.0.0.0", "Invalid address to remap to host: 0.0.0.0"},
    {"-I sixteen_letters_", "Invalid interface name: sixteen_letters_"},
    {"-I a/b", "Invalid interface name: a/b"},
    {"--ns-mac-addr x", "Invalid MAC address: x"},
    {"--no-copy-routes", "--no-copy-routes needs --config-net"},
    {"--no-copy-addrs", "--no-copy-addrs needs --config-net"},
};

} // namespace

TEST_CASE("each wrong value is refused in the words that callers show to their users")
{
    for (const auto& c : refusals) {
        INFO(c.line);
        CHECK(refusal("pasta " + std::string{c.line}) == c.text);
    }
    const std::string long_name(254, 'a'), long_path(4096, 'p');
    CHECK(refusal("pasta -H " + long_name) == "Invalid hostname: " + long_name);
    CHECK(refusal("pasta --fqdn " + long_name) == "Invalid FQDN: " + long_name);
    CHECK(refusal("pasta -S " + long_name) == "Cannot use DNS search domain " + long_name);
    CHECK(refusal("pasta -p " + long_path) == "Invalid pcap path");
}

TEST_CASE("files, identity and threads are kept as given; the last one counts")
{
    const options o =
        parse("pasta -fe -l /a -l /log --log-size 40960 -p x -P /p --chroot-fallback --workers 64 --drain-timeout 3600 7");
    CHECK((o.foreground && o.chroot_fallback));
    CHECK(o.log_file == "/log");
    CHECK(o.log_size == 40960);
    CHECK(o.pcap_file == "x");
    CHECK(o.pid_file == "/p");
    CHECK(o.workers == 64);
    CHECK(o.drain_timeout == std::chrono::hours{1});
    CHECK(parse("pasta --drain-timeout 0 7").drain_timeout == std::chrono::seconds{0});
    CHECK(parse("pasta 7").drain_timeout == std::chrono::seconds{5});
    CHECK_FALSE(o.run_as.has_value());
}

TEST_CASE("--runas takes numbers, numbers with a group, and names")
{
    const auto who = [](const std::string& value) { return parse("pasta --runas " + value).run_as.value(); };
    CHECK((who("0").uid == 0 && who("0").gid == 0));
    CHECK((who("0:0").uid == 0 && who("0:0").gid == 0));
    CHECK((who("1000").uid == 1000 && who("1000").gid == 1000));
    CHECK((who("1000:7").uid == 1000 && who("1000:7").gid == 7));
    const passwd* nobody = ::getpwnam("nobody");
    REQUIRE(nobody != nullptr);
    const uid_t uid = nobody->pw_uid;
    const gid_t gid = nobody->pw_gid;
    CHECK((who("nobody").uid == uid && who("nobody").gid == gid));
    CHECK((who("nobody:root").uid == uid && who("nobody:root").gid == 0));
}

TEST_CASE("the guest's addresses, prefix, gateway and MTU")
{
    const options o =
        parse("pasta -a 10.1.2.3 -a fc00::1 -a 172.16.0.9/12 -a fc00::2/48 -g 172.16.0.1 -g fe80::1 -m 1500 "
              "-M 02:00:00:00:00:01 -i eth7 -o 10.0.0.1 -o 127.0.0.1 -o fc00::7 --outbound-if4 e4 --outbound-if6 e6");
    CHECK(o.address4 == ip("172.16.0.9"));
    CHECK(o.address6 == ip("fc00::2"));
    CHECK(o.prefix_length4 == 12);
    CHECK((o.gateway4 == ip("172.16.0.1") && o.gateway6 == ip("fe80::1")));
    CHECK(o.mtu == 1500);
    CHECK(to_text(o.our_mac) == "02:00:00:00:00:01");
    CHECK(o.interface == "eth7");
    CHECK((o.outbound4 == ip("127.0.0.1") && o.outbound6 == ip("fc00::7")));
    CHECK((o.outbound_if4 == "e4" && o.outbound_if6 == "e6"));
    CHECK_FALSE(parse("pasta").prefix_length4.has_value());
    CHECK(parse("pasta -n 255.255.0.0").prefix_length4 == 16);
    CHECK(parse("pasta -a 10.0.0.1").prefix_length4 == 8);
    CHECK(parse("pasta -a 10.0.0.1 -n 24").prefix_length4 == 24);
    CHECK(parse("pasta -a 10.0.0.1/25 -a 192.0.2.1").prefix_length4 == 24);
    CHECK(parse("pasta -a fc00::1/64 -n 24 -a 10.0.0.1").prefix_length4 == 24);
}

TEST_CASE("families: the last of -4 and -6 counts, and servers go with their family")
{
    const options four = parse("pasta -6 -4");
    CHECK((four.ipv4 && !four.ipv6));
    CHECK((four.dhcp && !four.dhcpv6 && !four.ndp && !four.ra));
    const options six = parse("pasta -46");
    CHECK((!six.ipv4 && six.ipv6));
    CHECK((!six.dhcp && six.dhcpv6 && six.ndp && six.ra));
}

TEST_CASE("an MTU below the family's least is accepted with a warning, 0 without")
{
    CHECK(parse("pasta -m 0").warnings.empty());
    CHECK(parse("pasta -m 65521").mtu == 65521);
    CHECK(parse("pasta --config-net -m 1279").warnings.size() == 1);
    CHECK(parse("pasta --config-net -4 -m 1279").warnings.empty());
    CHECK(parse("pasta --config-net -m 67").warnings.size() == 2);
}

TEST_CASE("resolvers and search domains accumulate until none")
{
    const options o =
        parse("pasta -D 1.1.1.1 -D ::1 -D 127.0.0.53 -D 1.1.1.3 -D 1.1.1.4 -S a.example~_~_b.example. -S c --dns-host 127.0.0.53 "
              "--dns-forward 10.0.2.3 --dns-forward fc00::3 -H box --fqdn box.example --dhcp-dns --dhcp-search");
    CHECK(o.dns == std::vector{ip("1.1.1.1"), ip("::1"), ip("127.0.0.53"), ip("1.1.1.3")});
    CHECK(o.search == std::vector<std::string>{"a.example", "b.example", "c"});
    CHECK(o.dns_host4 == ip("127.0.0.53"));
    CHECK((o.dns_forward4 == ip("10.0.2.3") && o.dns_forward6 == ip("fc00::3")));
    CHECK((o.hostname == "box" && o.fqdn == "box.example"));
    CHECK((o.announce_dns && o.announce_search));

    CHECK_FALSE(parse("pasta").dns.has_value());
    CHECK_FALSE(parse("pasta").search.has_value());
    for (const auto* none : {"none", "''"}) {
        const options p =
            parse("pasta -D 1.1.1.1 --dns-forward 10.0.2.3 --dns-host ::1 -S a -S " + std::string{none} + " -D " + none);
        CHECK(p.dns == std::vector<ip_address>{});
        CHECK(p.search == std::vector<std::string>{});
        CHECK_FALSE((p.dns_forward4 || p.dns_host6));
    }
    CHECK(parse("pasta --dns= --search= 7").dns == std::vector<ip_address>{});
    CHECK(parse("pasta -D none -D 1.1.1.1 -S none -S a").dns == std::vector{ip("1.1.1.1")});
    CHECK(parse("pasta -S a~_b~_c~_d~_e~_f -H box").search->size() == 6);
}

TEST_CASE("protocols and servers are switched off one by one, or by implication")
{
    CHECK_FALSE(parse("pasta --no-tcp").tcp);
    CHECK_FALSE(parse("pasta --no-udp -u none -U none").udp);
    const options echo = parse("pasta --no-icmp");
    CHECK_FALSE((echo.icmp || echo.ndp || echo.ra));
    CHECK(echo.dhcpv6);
    CHECK_FALSE(parse("pasta --no-dhcp").dhcp);
    CHECK_FALSE(parse("pasta --no-dhcpv6").dhcpv6);
    CHECK_FALSE(parse("pasta --no-ndp").ndp);
    CHECK_FALSE(parse("pasta --no-ra").ra);
    CHECK(parse("pasta --no-ra").ndp);
    CHECK_FALSE(parse("pasta --config-net").ra);
    CHECK(parse("pasta --freebind").freebind);
}

TEST_CASE("the host's loopback and the guest's address under other addresses")
{
    CHECK(parse("pasta").map_gw);
    CHECK_FALSE(parse("pasta --no-map-gw").map_gw);
    const options o =
        parse("pasta --map-host-loopback 10.0.0.1 --map-host-loopback 10.0.0.2 --map-host-loopback fc00::2 --no-map-gw");
    CHECK((o.map_host_loopback4 == ip("10.0.0.2") && o.map_host_loopback6 == ip("fc00::2")));
    CHECK_FALSE(o.map_gw);
    const options none =
        parse("pasta --map-host-loopback 10.0.0.1 --map-guest-addr fc00::1 --map-host-loopback none --map-guest-addr none");
    CHECK_FALSE((none.map_gw || none.map_host_loopback4 || none.map_guest_addr6));
}

TEST_CASE("pasta's interface in the namespace")
{
    const options o = parse(
        "pasta --config-net --no-copy-routes --no-copy-addrs -I fifteen_letters --ns-mac-addr 01:02:03:04:05:06 --no-splice");
    CHECK(o.config_net);
    CHECK_FALSE((o.copy_routes || o.copy_addresses));
    CHECK(o.ns_ifname == "fifteen_letters");
    CHECK(to_text(*o.ns_mac) == "01:02:03:04:05:06");
    CHECK(o.warnings.size() == 2);
}

TEST_CASE("policies of where the guest may connect add up, in both programs")
{
    CHECK(parse("pasta").egress.empty());
    CHECK_FALSE(parse("pasta").egress_lock);
    const options o = parse("pasta --egress no-lan --egress=agent --egress ./a.toml --egress-lock");
    CHECK(o.egress == std::vector<std::string>{"no-lan", "agent", "./a.toml"});
    CHECK(o.egress_lock);
    CHECK(parse("passt --egress internet-only").egress.size() == 1);
    CHECK(exit_of("pasta --egress ''").text ==
          "Invalid --egress; a profile, the name of a policy, or the path of one is needed\n");
}
