#include "daemon/config/port_rules.hpp"
#include "daemon/os/host_facts.hpp"
#include "tests/unit/daemon/config/command_line_support.hpp"

#include <cstdio>
#include <fstream>
#include <sys/utsname.h>

using namespace tapioca;
using namespace tapioca::test;

namespace {

using texts = std::vector<std::string>;

const std::string quiet = " -t none -u none -T none -U none";

struct wrong_ports {
    const char *line, *text;
};

constexpr wrong_ports refusals[] = {
    {"--no-tcp -t 80", "Can't add TCP forwarding rule, TCP not enabled\nUnable to add rule TCP [*]:80  =>  80"},
    {"-T 80 --no-tcp", "Can't add TCP forwarding rule, TCP not enabled\nUnable to add rule TCP [*]%lo:80  =>  80"},
    {"--no-udp -u 80", "Can't add UDP forwarding rule, UDP not enabled\nUnable to add rule UDP [*]:80  =>  80"},
    {"-4 -t ::1/80", "IPv6 forward, but IPv6 not enabled\nUnable to add rule TCP [::1]:80  =>  80"},
    {"-t 127.0.0.1/80 -6", "IPv4 forward, but IPv4 not enabled\nUnable to add rule TCP [127.0.0.1]:80  =>  80"},
    {"-t 0", "Forwarding rule attempts to map from port 0\nUnable to add rule TCP [*]:0  =>  0"},
    {"-u 0-10", "Forwarding rule attempts to map from port 0\nUnable to add rule UDP [*]:0-10  =>  0-10"},
    {"-t 22:0", "Forwarding rule attempts to map to port 0\nUnable to add rule TCP [*]:22  =>  0"},
    {"-t 80:10.0.0.1/81", "Dual stack forward to IPv4 address 10.0.0.1 unsupported\nDid you mean 0.0.0.0/... instead?\n"
                          "Unable to add rule TCP [*]:80  =>  10.0.0.1:81"},
    {"-t 80:fc00::1", "Dual stack forward to IPv6 address fc00::1 unsupported\nDid you mean [::]/... instead?\n"
                      "Unable to add rule TCP [*]:80  =>  fc00::1:80"},
    {"-t 127.0.0.1/80:fc00::1", "Forward from IPv4 (127.0.0.1) to IPv6 (fc00::1) unsupported\n"
                                "Unable to add rule TCP [127.0.0.1]:80  =>  fc00::1:80"},
    {"-t ::1/80:10.0.0.1",
     "Forward from IPv6 (::1) to IPv4 (10.0.0.1) unsupported\nUnable to add rule TCP [::1]:80  =>  10.0.0.1:80"},
    {"-t 127.0.0.1/80:224.0.0.1",
     "Multicast target address 224.0.0.1 for forwarding rule\nUnable to add rule TCP [127.0.0.1]:80  =>  224.0.0.1:80"},
    {"-t ''", "Invalid port specifier ''"},
    {"-t 80,", "Invalid port specifier '80,'"},
    {"-t 80-81:90", "Invalid port specifier '80-81:90'"},
    {"-t none,80", "Invalid port specifier 'none,80'"},
    {"-u 127.0.0.1/x", "Invalid port specifier 'x'"},
    {"-T auto,x", "Invalid port specifier 'auto,x'"},
    {"-U x", "Invalid port specifier 'x'"},
    {"-t %./80", "Invalid interface name: ."},
    {"-t 80 -t none", "-t none conflicts with previous options"},
    {"-u 80 -t none --udp-ports none", "-u none conflicts with previous options"},
    {"-T 80 -T none", "-T none conflicts with previous options"},
    {"-T 127.0.0.1/80", "Listening address not allowed for -T 127.0.0.1/80"},
    {"--udp-ns */80", "Listening address not allowed for -U */80"},
    {"-t 80-90 -t 85", "Forwarding configuration conflict: TCP [*]:85  =>  85 versus TCP [*]:80-90  =>  80-90\n"
                       "Unable to add rule TCP [*]:85  =>  85"},
    {"-t 80,80:81", "Forwarding configuration conflict: TCP [*]:80  =>  81 versus TCP [*]:80  =>  80\n"
                    "Unable to add rule TCP [*]:80  =>  81"},
    {"-T all -T 80",
     "Forwarding configuration conflict: TCP [*]%lo:80  =>  80 versus TCP [*]%lo:1-32767  =>  1-32767  (best effort)\n"
     "Unable to add rule TCP [*]%lo:80  =>  80"},
    {"-t 127.0.0.1/1-65535 -t 127.0.0.2/1-65535 -t 127.0.0.3/1-65535 -t 127.0.0.4/1-65535 -t 127.0.0.5/1-65535 -u 1-6",
     "Rules require too many listening sockets (maximum 327680)\nUnable to add rule UDP [*]:1-6  =>  1-6"},
    {"--host-lo-to-ns-lo --no-splice", "--host-lo-to-ns-lo is incompatible with --no-splice"},
    {"--no-splice --splice-only", "--splice-only is incompatible with --no-splice"},
};

} // namespace

TEST_CASE("ports that cannot be forwarded are refused with the rule and the reason")
{
    for (const auto& [line, text] : refusals)
        CHECK(refusal("pasta " + std::string{line}) == text);
    std::string many = "1";
    for (int port = 2; port <= 256; ++port)
        many += "," + std::to_string(port);
    CHECK(refusal("pasta -t " + many) == "Too many rules (maximum 255)\nUnable to add rule TCP [*]:256  =>  256");
}

TEST_CASE("a passt without listeners to follow refuses auto, and forwards nothing by itself")
{
    CHECK(refusal("passt -t auto") == "'auto' port forwarding is only allowed for pasta");
    CHECK(refusal("passt -u 80,auto") == "'auto' port forwarding is only allowed for pasta");
    parsed_options d;
    d.opts.mode = mode::passt;
    resolve_ports(d, {});
    CHECK((d.opts.host_rules.empty() && d.opts.guest_rules.empty()));
}

TEST_CASE("pasta follows the other side's ports by every option that was not given")
{
    const texts automatic = {"TCP [*]:1-32767  =>  1-32767  (best effort) (auto-scan)",
                             "TCP [*]:61000-65535  =>  61000-65535  (best effort) (auto-scan)",
                             "UDP [*]:1-32767  =>  1-32767  (best effort) (auto-scan)",
                             "UDP [*]:61000-65535  =>  61000-65535  (best effort) (auto-scan)"};
    const options o = parse("pasta");
    CHECK(rules(o.host_rules) == automatic);
    CHECK(o.guest_rules.size() == 4);
    CHECK(rules(o.guest_rules)[3] == "UDP [*]%lo:61000-65535  =>  61000-65535  (best effort) (auto-scan)");
    CHECK(o.guest_rules[0].group != o.guest_rules[2].group);

    const options some = parse("pasta -u 8000 -T none -U 53");
    CHECK(rules(some.host_rules) == texts{"UDP [*]:8000  =>  8000", automatic[0], automatic[1]});
    CHECK(rules(some.guest_rules) == texts{"UDP [*]%lo:53  =>  53"});
    const options none = parse("pasta" + quiet);
    CHECK((none.host_rules.empty() && none.guest_rules.empty()));
}

TEST_CASE("a protocol that is switched off has no rules unless they are asked for")
{
    const options no_tcp = parse("pasta --no-tcp");
    CHECK(rules(no_tcp.host_rules) == rules(parse("pasta -t none").host_rules));
    CHECK(rules(no_tcp.guest_rules) == rules(parse("pasta -T none").guest_rules));
    const options neither = parse("pasta --no-udp --no-tcp -t none");
    CHECK((neither.host_rules.empty() && neither.guest_rules.empty()));
}

TEST_CASE("options may follow that decide what ports mean")
{
    CHECK(rules(parse("pasta -t 80 -u none -4").host_rules) == texts{"TCP [0.0.0.0]:80  =>  80"});
    CHECK(rules(parse("pasta -t 80:fc00::1 -u none -6").host_rules) == texts{"TCP [::]:80  =>  fc00::1:80"});
    CHECK(rules(parse("pasta -t none -t 90 -u 53 -t 80").host_rules) ==
          texts{"TCP [*]:90  =>  90", "UDP [*]:53  =>  53", "TCP [*]:80  =>  80"});
    CHECK(rules(parse("pasta -t %eth0/80 -t %eth1/80 -u none").host_rules) ==
          texts{"TCP [*]%eth0:80  =>  80", "TCP [*]%eth1:80  =>  80"});
}

TEST_CASE("what the kernel can do decides, too")
{
    const port_facts no_ipv6{{9000, 65535}, false, true};
    CHECK(rules(parse("pasta -t all -u none", no_ipv6).host_rules) == texts{"TCP [0.0.0.0]:1-8999  =>  1-8999  (best effort)"});
    CHECK(rules(parse("pasta -6 -t 80 -u none", no_ipv6).host_rules) == texts{"TCP [::]:80  =>  80"});
    const port_facts no_binding{{32768, 60999}, true, false};
    const options o = parse("pasta -T 80 -U none -t none -u none", no_binding);
    CHECK(rules(o.guest_rules) == texts{"TCP [127.0.0.1]:80  =>  80", "TCP [::1]:80  =>  80"});
    CHECK(o.warnings == texts{"-T 80 listens on 127.0.0.1 and ::1: binding to an interface requires kernel 5.7+"});
    CHECK(parse("pasta" + quiet, no_binding).warnings.empty());
    CHECK_THROWS_WITH(parse("pasta -t %eth0/80", no_binding),
                      "Device binding for '-t %eth0/80' unsupported (requires kernel 5.7+)\n");
}

TEST_CASE("what the kernel can do is asked of the kernel")
{
    std::ifstream file{"/proc/sys/net/ipv4/ip_local_port_range"};
    unsigned first = 0, last = 0;
    REQUIRE(file >> first >> last);
    const auto range = os::ephemeral_ports();
    REQUIRE(range);
    CHECK((range->first == first && range->second == last));
    const auto facts = discover_port_facts();
    CHECK((facts.ephemeral.first == first && facts.ephemeral.last == last));
    CHECK(facts.ipv6 == os::has_ipv6());
    utsname kernel{};
    REQUIRE(::uname(&kernel) == 0);
    int major = 0, minor = 0;
    REQUIRE(std::sscanf(kernel.release, "%d.%d", &major, &minor) == 2);
    if (major > 5 || (major == 5 && minor >= 7))
        CHECK(facts.device_binding);
}

TEST_CASE("the short cut between the loopbacks: off, further, or alone")
{
    CHECK_FALSE(parse("pasta --no-splice").splice);
    const options further = parse("pasta --host-lo-to-ns-lo -t 80");
    CHECK((further.splice && further.host_loopback_to_namespace && !further.splice_only));
    const options alone = parse("pasta --splice-only -D 1.1.1.1 --dns-forward 10.0.2.3 --dns-host 1.1.1.1 -S a --dhcp-dns");
    CHECK((alone.splice && alone.host_loopback_to_namespace && alone.splice_only));
    CHECK_FALSE((alone.icmp || alone.ndp || alone.ra || alone.dhcp || alone.dhcpv6));
    CHECK_FALSE((alone.announce_dns || alone.announce_search || alone.dns_forward4 || alone.dns_host4));
    CHECK((alone.dns == std::vector<ip_address>{} && alone.search == std::vector<std::string>{}));
    CHECK((alone.tcp && alone.udp && alone.host_rules.size() == 4));
}

TEST_CASE("an alternative name of an interface gives way to its own")
{
    port_facts facts{{32768, 60999}, true, true, [](std::string_view name) {
                         return name == "enp0s31f6" ? std::optional<std::string>{"eth0"} : std::nullopt;
                     }};
    const auto o =
        parse("pasta -i enp0s31f6 --outbound-if4 enp0s31f6 --outbound-if6 wlan0 -t %enp0s31f6/80 -u 192.0.2.1%enp0s31f6/81:82 "
              "-T none -U none",
              facts);
    CHECK(o.interface == "eth0");
    CHECK(o.outbound_if4 == "eth0");
    CHECK(o.outbound_if6 == "wlan0");
    CHECK(rules(o.host_rules) == std::vector<std::string>{"TCP [*]%eth0:80  =>  80", "UDP [192.0.2.1]%eth0:81  =>  82"});
    CHECK(rules(parse("pasta -t 80 -u %lo/81 -T 82 -U none", facts).host_rules).back() == "UDP [*]%lo:81  =>  81");
}
