#include "proto/forward/port_spec.hpp"
#include "proto/forward/rule_text.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

#include <string>
#include <vector>

using namespace tapioca;

namespace {

using texts = std::vector<std::string>;

port_spec_context tcp(rule_side side = rule_side::host)
{
    port_spec_context context;
    context.protocol = wire::protocol_tcp;
    context.side = side;
    context.ephemeral = {32768, 60999};
    return context;
}

texts shown(const forward_rules& rules)
{
    texts result;
    for (const auto& rule : rules)
        result.emplace_back(text_of(rule).view());
    return result;
}

/// The rules of one value as they are shown.
texts rules(std::string_view spec, const port_spec_context& context = tcp())
{
    forward_rules table;
    const auto refused = add_port_spec(table, spec, context);
    INFO(spec);
    REQUIRE_FALSE(refused);
    return shown(table);
}

struct verdict {
    spec_fault why;
    std::string part;
    bool operator==(const verdict&) const = default;
};

verdict refusal(std::string_view spec, const port_spec_context& context = tcp())
{
    forward_rules table;
    const auto refused = add_port_spec(table, spec, context);
    INFO(spec);
    REQUIRE(refused);
    CHECK(table.empty());
    return {refused->why, std::string{refused->part}};
}

rule_fault rule_refused(std::string_view spec, const port_spec_context& context = tcp())
{
    forward_rules table;
    const auto refused = add_port_spec(table, spec, context);
    INFO(spec);
    REQUIRE(refused);
    CHECK(refused->why == spec_fault::rule);
    CHECK(table.empty());
    return refused->rule.why;
}

constexpr const char* malformed[] = {"",
                                     ",",
                                     ",80",
                                     "80,",
                                     "80,,81",
                                     "x",
                                     "80 ",
                                     " auto",
                                     "+80",
                                     "-80",
                                     "80-",
                                     "80-90-100",
                                     "0x50",
                                     "65536",
                                     "80-65536",
                                     "99999999999999999999",
                                     "90-80",
                                     "80:",
                                     "80:x",
                                     "80:90-91",
                                     "80-81:90",
                                     "80-85:185-180",
                                     "80-81:65535-65536",
                                     "~",
                                     "~x",
                                     "~90-80",
                                     "~65536",
                                     "80,~",
                                     "80-90,~80:85",
                                     "all:",
                                     "all:80",
                                     "all:x",
                                     "auto:10.0.0.1",
                                     "auto,x",
                                     "auto,none",
                                     "none,80",
                                     "none,none",
                                     "foo/80",
                                     "80/81",
                                     "80,x:y/z",
                                     "127.1/80",
                                     "127.0.0.01/80",
                                     "[::1/80",
                                     "::1]/80",
                                     "[]/80",
                                     "[::1%lo]/80",
                                     "[::1]:80",
                                     "**/80",
                                     "%/80",
                                     "*%/80",
                                     "127.0.0.1%/80",
                                     "%sixteen_letters_/80",
                                     "% lo/80",
                                     "80:fe80::1%lo"};

const texts all_best_effort = {"TCP [*]:1-32767  =>  1-32767  (best effort)",
                               "TCP [*]:61000-65535  =>  61000-65535  (best effort)"};

} // namespace

TEST_CASE("the examples of the manual of pasta and passt")
{
    CHECK(rules("all") == all_best_effort);
    CHECK(rules("::1/all") ==
          texts{"TCP [::1]:1-32767  =>  1-32767  (best effort)", "TCP [::1]:61000-65535  =>  61000-65535  (best effort)"});
    CHECK(rules("22") == texts{"TCP [*]:22  =>  22"});
    CHECK(rules("22:23") == texts{"TCP [*]:22  =>  23"});
    CHECK(rules("22,25") == texts{"TCP [*]:22  =>  22", "TCP [*]:25  =>  25"});
    CHECK(rules("22-80") == texts{"TCP [*]:22-80  =>  22-80"});
    CHECK(rules("22-80:32-90") == texts{"TCP [*]:22-80  =>  32-90"});
    CHECK(rules("192.0.2.1/22") == texts{"TCP [192.0.2.1]:22  =>  22"});
    CHECK(rules("192.0.2.1%eth0/22") == texts{"TCP [192.0.2.1]%eth0:22  =>  22"});
    CHECK(rules("%eth0/22") == texts{"TCP [*]%eth0:22  =>  22"});
    CHECK(rules("0.0.0.0/5000:192.0.2.5/6000") == texts{"TCP [0.0.0.0]:5000  =>  192.0.2.5:6000"});
    CHECK(rules("127.0.0.6/all:192.0.2.6") == texts{"TCP [127.0.0.6]:1-32767  =>  192.0.2.6:1-32767  (best effort)",
                                                    "TCP [127.0.0.6]:61000-65535  =>  192.0.2.6:61000-65535  (best effort)"});
    CHECK(rules("2000-5000,~3000-3010") == texts{"TCP [*]:2000-2999  =>  2000-2999", "TCP [*]:3011-5000  =>  3011-5000"});
    CHECK(rules("192.0.2.1/20-30,~25") == texts{"TCP [192.0.2.1]:20-24  =>  20-24", "TCP [192.0.2.1]:26-30  =>  26-30"});
    CHECK(rules("~20000-20010") == texts{"TCP [*]:1-19999  =>  1-19999  (best effort)",
                                         "TCP [*]:20011-32767  =>  20011-32767  (best effort)",
                                         "TCP [*]:61000-65535  =>  61000-65535  (best effort)"});
    CHECK(rules("auto") == texts{"TCP [*]:1-32767  =>  1-32767  (best effort) (auto-scan)",
                                 "TCP [*]:61000-65535  =>  61000-65535  (best effort) (auto-scan)"});
    CHECK(rules("::1/auto") == texts{"TCP [::1]:1-32767  =>  1-32767  (best effort) (auto-scan)",
                                     "TCP [::1]:61000-65535  =>  61000-65535  (best effort) (auto-scan)"});
    CHECK(rules("8000-8010,auto") == texts{"TCP [*]:8000-8010  =>  8000-8010  (auto-scan)"});
}

TEST_CASE("ports: each part of the list is a rule, in the order of the list")
{
    CHECK(rules("1") == texts{"TCP [*]:1  =>  1"});
    CHECK(rules("65535") == texts{"TCP [*]:65535  =>  65535"});
    CHECK(rules("1-65535") == texts{"TCP [*]:1-65535  =>  1-65535"});
    CHECK(rules("80-80") == texts{"TCP [*]:80  =>  80"});
    CHECK(rules("0080") == texts{"TCP [*]:80  =>  80"});
    CHECK(rules("90,80") == texts{"TCP [*]:90  =>  90", "TCP [*]:80  =>  80"});
    CHECK(rules("80-85,86") == texts{"TCP [*]:80-85  =>  80-85", "TCP [*]:86  =>  86"});
    CHECK(rules("80, 443, 8000- 8001") ==
          texts{"TCP [*]:80  =>  80", "TCP [*]:443  =>  443", "TCP [*]:8000-8001  =>  8000-8001"});
    CHECK(rules("8000-8000:80-80") == texts{"TCP [*]:8000  =>  80"});
    CHECK(rules("80:65535") == texts{"TCP [*]:80  =>  65535"});
    auto udp = tcp();
    udp.protocol = wire::protocol_udp;
    CHECK(rules("53", udp) == texts{"UDP [*]:53  =>  53"});
}

TEST_CASE("exclusions cut ranges, wherever in the list they stand, and keep the mapping")
{
    CHECK(rules("~80,~90,80-90:180-190") == texts{"TCP [*]:81-89  =>  181-189"});
    CHECK(rules("80-85:180-185,~82,auto") ==
          texts{"TCP [*]:80-81  =>  180-181  (auto-scan)", "TCP [*]:83-85  =>  183-185  (auto-scan)"});
    CHECK(rules("0-10,~0") == texts{"TCP [*]:1-10  =>  1-10"});
    CHECK(rules("10-20:0-10,~10") == texts{"TCP [*]:11-20  =>  1-10"});
    CHECK(rules("80,~80").empty());
    CHECK(rules("~1-65535").empty());
    CHECK(rules("all,~1-65535").empty());
    CHECK(rules("~0-10") == texts{"TCP [*]:11-32767  =>  11-32767  (best effort)", all_best_effort[1]});
    CHECK(rules("~20000-65535") == texts{"TCP [*]:1-19999  =>  1-19999  (best effort)"});
}

TEST_CASE("all gives way to explicit ports, leaves the ephemeral ones out, and its last target counts")
{
    CHECK(rules("all,80") == texts{"TCP [*]:80  =>  80"});
    CHECK(rules("80,all") == texts{"TCP [*]:80  =>  80"});
    CHECK(rules("all,auto,80") == texts{"TCP [*]:80  =>  80  (auto-scan)"});
    CHECK(rules("all,all") == all_best_effort);
    CHECK(rules("127.0.0.1/all:10.0.0.1,80") == texts{"TCP [127.0.0.1]:80  =>  80"});
    CHECK(rules("127.0.0.1/all:10.0.0.1,all:10.0.0.2,~100-65535") ==
          texts{"TCP [127.0.0.1]:1-99  =>  10.0.0.2:1-99  (best effort)"});
    CHECK(rules("127.0.0.1/all:10.0.0.1,all,~100-65535") == texts{"TCP [127.0.0.1]:1-99  =>  1-99  (best effort)"});
    CHECK(rules("::/all:[fc00::1],~100-65535") == texts{"TCP [::]:1-99  =>  fc00::1:1-99  (best effort)"});
    CHECK(rules("32768-32770") == texts{"TCP [*]:32768-32770  =>  32768-32770"});
    auto narrow = tcp();
    narrow.ephemeral = {9000, 65535};
    CHECK(rules("all", narrow) == texts{"TCP [*]:1-8999  =>  1-8999  (best effort)"});
    narrow.ephemeral = {1, 1023};
    CHECK(rules("all", narrow) == texts{"TCP [*]:1024-65535  =>  1024-65535  (best effort)"});
    narrow.ephemeral = port_spec_context{}.ephemeral;
    CHECK(rules("all", narrow) == texts{"TCP [*]:1-49151  =>  1-49151  (best effort)"});
}

TEST_CASE("auto turns every rule of its value into scan mode")
{
    CHECK(rules("auto,auto") == rules("auto"));
    CHECK(rules("auto,all") == rules("auto"));
    CHECK(rules("auto,80,90:91") == texts{"TCP [*]:80  =>  80  (auto-scan)", "TCP [*]:90  =>  91  (auto-scan)"});
    CHECK(rules("auto,~3-65535") == texts{"TCP [*]:1-2  =>  1-2  (best effort) (auto-scan)"});
    auto passt = tcp();
    passt.auto_allowed = false;
    CHECK(refusal("auto", passt) == verdict{spec_fault::auto_refused, "auto"});
    CHECK(refusal("::1/80,auto", passt) == verdict{spec_fault::auto_refused, "auto"});
    CHECK(refusal("80,x,auto", passt) == verdict{spec_fault::syntax, "80,x,auto"});
}

TEST_CASE("where the sockets are bound")
{
    CHECK(rules("*/80") == texts{"TCP [*]:80  =>  80"});
    CHECK(rules("/80") == texts{"TCP [*]:80  =>  80"});
    CHECK(rules("*%eth0/80") == texts{"TCP [*]%eth0:80  =>  80"});
    CHECK(rules("::/80") == texts{"TCP [::]:80  =>  80"});
    CHECK(rules("[::]/80") == texts{"TCP [::]:80  =>  80"});
    CHECK(rules("[::1]%eth0/80") == texts{"TCP [::1]%eth0:80  =>  80"});
    CHECK(rules("fe80::1%eth0/80") == texts{"TCP [fe80::1]%eth0:80  =>  80"});
    CHECK(rules("[127.0.0.1]/80") == texts{"TCP [127.0.0.1]:80  =>  80"});
    CHECK(rules("::ffff:127.0.0.1/80") == texts{"TCP [127.0.0.1]:80  =>  80"});
    CHECK(rules("127.0.0.1/8080-8080:80-80") == texts{"TCP [127.0.0.1]:8080  =>  80"});
    CHECK(rules("%fifteen_letters/80") == texts{"TCP [*]%fifteen_letters:80  =>  80"});
    CHECK(rules("80:fc00::1/81") == texts{"TCP [80:fc00::1]:81  =>  81"}); // an address as a whole
}

TEST_CASE("with one family, the wildcard is that family's")
{
    auto four = tcp(), six = tcp();
    four.enabled.ipv6 = false;
    six.enabled.ipv4 = false;
    CHECK(rules("80", four) == texts{"TCP [0.0.0.0]:80  =>  80"});
    CHECK(rules("*/80", four) == texts{"TCP [0.0.0.0]:80  =>  80"});
    CHECK(rules("80", six) == texts{"TCP [::]:80  =>  80"});
    CHECK(rules("80:fc00::1", six) == texts{"TCP [::]:80  =>  fc00::1:80"});
    CHECK(rule_refused("::1/80", four) == rule_fault::family_disabled);
    CHECK(rule_refused("127.0.0.1/80", six) == rule_fault::family_disabled);
    auto guest = tcp(rule_side::guest);
    guest.enabled.ipv6 = false;
    CHECK(rules("80", guest) == texts{"TCP [0.0.0.0]%lo:80  =>  80"});
}

TEST_CASE("targets: an address, ports, or both")
{
    CHECK(rules("127.0.0.1/80:10.0.0.1") == texts{"TCP [127.0.0.1]:80  =>  10.0.0.1:80"});
    CHECK(rules("127.0.0.1/80-81:10.0.0.1/90-91") == texts{"TCP [127.0.0.1]:80-81  =>  10.0.0.1:90-91"});
    CHECK(rules("127.0.0.1/80:[10.0.0.1]/81") == texts{"TCP [127.0.0.1]:80  =>  10.0.0.1:81"});
    CHECK(rules("::1/80:fc00::1") == texts{"TCP [::1]:80  =>  fc00::1:80"});
    CHECK(rules("::1/80:fc00::1/81") == texts{"TCP [::1]:80  =>  fc00::1:81"});
    CHECK(rules("::1/80:[fc00::1]/81,90") == texts{"TCP [::1]:80  =>  fc00::1:81", "TCP [::1]:90  =>  90"});
    CHECK(rules("80:0.0.0.0") == texts{"TCP [*]:80  =>  80"});
    CHECK(rules("127.0.0.1/80:::") == texts{"TCP [127.0.0.1]:80  =>  80"});
    CHECK(rule_refused("80:10.0.0.1/81") == rule_fault::dual_stack_target);
    CHECK(rule_refused("80:[fc00::1]/81") == rule_fault::dual_stack_target);
    CHECK(rule_refused("all:10.0.0.1") == rule_fault::dual_stack_target);
    CHECK(rule_refused("127.0.0.1/80:fc00::1") == rule_fault::other_family_target);
    CHECK(rule_refused("127.0.0.1/90,80:224.0.0.1") == rule_fault::multicast_target);
}

TEST_CASE("what is not of the grammar is refused with the part that is not")
{
    for (const auto* spec : malformed)
        CHECK(refusal(spec) == verdict{spec_fault::syntax, spec});
    CHECK(refusal("/") == verdict{spec_fault::syntax, ""});
    CHECK(refusal("127.0.0.1/") == verdict{spec_fault::syntax, ""});
    CHECK(refusal("127.0.0.1/none") == verdict{spec_fault::syntax, "none"});
    CHECK(refusal("127.0.0.1/22:x/22") == verdict{spec_fault::syntax, "22:x/22"});
    CHECK(refusal("127.0.0.1/22:127.0.0.1/x") == verdict{spec_fault::syntax, "22:127.0.0.1/x"});
    CHECK(refusal("127.0.0.1/22:127.0.0.1/") == verdict{spec_fault::syntax, "22:127.0.0.1/"});
    CHECK(refusal("127.0.0.1/80:10.0.0.1/81-82") == verdict{spec_fault::syntax, "80:10.0.0.1/81-82"});
    CHECK(refusal("%./80") == verdict{spec_fault::interface_name, "."});
    CHECK(refusal("*%../80") == verdict{spec_fault::interface_name, ".."});
    CHECK(refusal("%a:b/80") == verdict{spec_fault::interface_name, "a:b"});
}

TEST_CASE("port 0 is no port, on neither side")
{
    CHECK(rule_refused("0") == rule_fault::from_port_zero);
    CHECK(rule_refused("0-10") == rule_fault::from_port_zero);
    CHECK(rule_refused("0:22") == rule_fault::from_port_zero);
    CHECK(rule_refused("22:0") == rule_fault::to_port_zero);
    CHECK(rule_refused("10-20:0-10") == rule_fault::to_port_zero);
    CHECK(rule_refused("127.0.0.1/22:127.0.0.1/0") == rule_fault::to_port_zero);
}

TEST_CASE("rules of one value conflict with each other, too")
{
    CHECK(rule_refused("80,80") == rule_fault::conflict);
    CHECK(rule_refused("80:90,80:91") == rule_fault::conflict);
    CHECK(rule_refused("80-85,90,82-86") == rule_fault::conflict);
    CHECK(rules("80-85,82-86,~82-85") == texts{"TCP [*]:80-81  =>  80-81", "TCP [*]:86  =>  86"});
}

TEST_CASE("none is fine alone and before rules, but takes none back")
{
    forward_rules table;
    CHECK_FALSE(add_port_spec(table, "none", tcp()));
    CHECK_FALSE(add_port_spec(table, "none", tcp()));
    CHECK_FALSE(add_port_spec(table, "80", tcp()));
    auto udp = tcp();
    udp.protocol = wire::protocol_udp;
    CHECK_FALSE(add_port_spec(table, "none", udp));
    const auto refused = add_port_spec(table, "none", tcp());
    REQUIRE(refused);
    CHECK(refused->why == spec_fault::none_after_rules);
    CHECK(table.size() == 1);
}

TEST_CASE("rules of the guest's side listen on its loopback and nowhere else")
{
    const auto guest = tcp(rule_side::guest);
    CHECK(rules("80", guest) == texts{"TCP [*]%lo:80  =>  80"});
    CHECK(rules("80:81,auto", guest) == texts{"TCP [*]%lo:80  =>  81  (auto-scan)"});
    CHECK(rules("all,~100-65535", guest) == texts{"TCP [*]%lo:1-99  =>  1-99  (best effort)"});
    CHECK(rules("none", guest).empty());
    for (const auto* spec : {"127.0.0.1/80", "%lo/80", "/80", "*/80", "[::1]/none", "80:fc00::1/81"})
        CHECK(refusal(spec, guest) == verdict{spec_fault::address_refused, spec});
    CHECK(refusal("foo/80", guest) == verdict{spec_fault::syntax, "foo/80"});
    CHECK(rule_refused("80:127.0.0.1/81", guest) == rule_fault::dual_stack_target);
}

TEST_CASE("where sockets cannot be bound to interfaces, loopback is its two addresses")
{
    auto guest = tcp(rule_side::guest), host = tcp();
    guest.device_binding = host.device_binding = false;
    CHECK(rules("80,90", guest) ==
          texts{"TCP [127.0.0.1]:80  =>  80", "TCP [::1]:80  =>  80", "TCP [127.0.0.1]:90  =>  90", "TCP [::1]:90  =>  90"});
    guest.enabled.ipv4 = false;
    CHECK(rules("80", guest) == texts{"TCP [::1]:80  =>  80"});
    guest.enabled = {.ipv6 = false};
    CHECK(rules("80", guest) == texts{"TCP [127.0.0.1]:80  =>  80"});
    CHECK(rules("127.0.0.1/80", host) == texts{"TCP [127.0.0.1]:80  =>  80"});
    CHECK(refusal("%eth0/80", host) == verdict{spec_fault::device_binding, "%eth0/80"});
}

TEST_CASE("rules of one value are a group, and a refused value leaves no rules behind")
{
    forward_rules table;
    REQUIRE_FALSE(add_port_spec(table, "22,25", tcp()));
    REQUIRE_FALSE(add_port_spec(table, "~1-30,~100,~200-65535", tcp()));
    REQUIRE_FALSE(add_port_spec(table, "~1-65535", tcp()));
    REQUIRE_FALSE(add_port_spec(table, "300", tcp()));
    std::vector<int> groups;
    for (const auto& rule : table)
        groups.push_back(rule.group);
    CHECK(groups == std::vector{0, 0, 2, 2, 4});
    CHECK(add_port_spec(table, "400,401,300", tcp()));
    CHECK(table.size() == 5);
}

TEST_CASE("the limits of the table hold for values")
{
    std::string many = "1";
    for (int port = 2; port <= 255; ++port)
        many += "," + std::to_string(port);
    CHECK(rules(many).size() == 255);
    CHECK(rule_refused(many + ",256") == rule_fault::too_many_rules);
    forward_rules table;
    for (const auto* spec :
         {"127.0.0.1/1-65535", "127.0.0.2/1-65535", "127.0.0.3/1-65535", "127.0.0.4/1-65535", "127.0.0.5/1-65535"})
        REQUIRE_FALSE(add_port_spec(table, spec, tcp()));
    const auto refused = add_port_spec(table, "127.0.0.6/1-6", tcp());
    REQUIRE(refused);
    CHECK(refused->rule.why == rule_fault::too_many_sockets);
}
