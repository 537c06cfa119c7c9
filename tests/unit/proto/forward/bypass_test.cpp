#include "proto/forward/bypass.hpp"

#include "proto/forward/port_spec.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

#include <vector>

using namespace tapioca;

namespace {

constexpr auto lo4 = ip_address::loopback(ip_family::ipv4), lo6 = ip_address::loopback(ip_family::ipv6);
constexpr auto other_lo = ip_address::v4(127, 3, 2, 1);
constexpr auto host4 = ip_address::v4(192, 0, 2, 2), guest4 = ip_address::v4(192, 0, 2, 7);
constexpr auto host6 = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 2}),
               guest6 = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 7});
constexpr guest_addresses known{.v4 = guest4, .v6 = guest6, .link_local = {}};
constexpr guest_addresses unknown{.v4 = ip_address::v4(0), .v6 = {}, .link_local = {}};
constexpr octet tcp = wire::protocol_tcp, udp = wire::protocol_udp;

forward_rules rules_of(rule_side side, const std::vector<const char*>& specs, octet protocol = tcp, bool device_binding = true)
{
    forward_rules table;
    for (const auto* spec : specs)
        REQUIRE_FALSE(
            add_port_spec(table, spec, {.protocol = protocol, .side = side, .enabled = {}, .device_binding = device_binding}));
    return table;
}

std::optional<ip_address> leads(rule_side side, const ip_address& client, const ip_address& asked, bool same_loopback,
                                const guest_addresses& guest = known, const forward_rules& guest_rules = {})
{
    return bypass_destination({.side = side, .protocol = tcp, .client = client, .asked = asked, .server_port = 80}, same_loopback,
                              guest, guest_rules);
}

bool circles(const std::vector<const char*>& host, const std::vector<const char*>& guest)
{
    return find_circle(rules_of(rule_side::host, host), rules_of(rule_side::guest, guest)).has_value();
}

} // namespace

TEST_CASE(
    "from the host's loopback: the namespace's public address, or the same loopback address if that was asked and is wanted")
{
    constexpr auto host = rule_side::host;
    for (const auto& asked : {lo4, other_lo, host4}) {
        CHECK(leads(host, lo4, asked, false) == guest4);
        CHECK(leads(host, lo4, asked, false, unknown) == lo4);
        CHECK(leads(host, lo4, asked, true) == (asked.is_loopback() ? asked : guest4));
        CHECK(leads(host, lo4, asked, true, unknown) == (asked.is_loopback() ? asked : lo4)); // --splice-only: there is no other
    }
    CHECK(leads(host, lo6, host6, false) == guest6);
    CHECK(leads(host, lo6, lo6, true) == lo6);
    CHECK(leads(host, lo6, host6, true) == guest6);
    CHECK(leads(host, lo6, host6, true, unknown) == lo6);
}

TEST_CASE("from the namespace's loopback: the same address of the host's, if both ends are loopback addresses")
{
    constexpr auto guest = rule_side::guest;
    for (const bool same : {false, true}) {
        CHECK(leads(guest, lo4, other_lo, same) == other_lo);
        CHECK(leads(guest, lo6, lo6, same) == lo6);
        CHECK_FALSE(leads(guest, guest4, lo4, same));
        CHECK_FALSE(leads(guest, lo4, guest4, same));
        CHECK_FALSE(leads(guest, guest6, guest6, same));
    }
}

TEST_CASE("where nobody listens at one address of localhost the other family's is tried, unless our own sockets may be there")
{
    constexpr auto host = rule_side::host, guest = rule_side::guest;
    const auto other = [](rule_side side, const ip_address& tried, bool same, const guest_addresses& seen = known,
                          const forward_rules& host_rules = {}, const forward_rules& guest_rules = {}) {
        return other_bypass_destination({.side = side, .protocol = tcp, .client = {}, .asked = {}, .server_port = 80}, tried,
                                        same, seen, host_rules, guest_rules);
    };
    for (const bool same : {false, true}) {
        CHECK(other(guest, lo4, same) == lo6);
        CHECK(other(guest, lo6, same) == lo4);
        CHECK_FALSE(other(guest, other_lo, same));
        CHECK_FALSE(other(guest, lo6, same, known, rules_of(host, {"80"})));
        CHECK_FALSE(other(guest, lo6, same, known, rules_of(host, {"127.0.0.1/80"})));
        CHECK(other(guest, lo6, same, known, rules_of(host, {"::1/80", "81"})) == lo4);
        CHECK(other(guest, lo6, same, known, rules_of(host, {"auto"})) == lo4); // it has left the port to somebody else
    }
    CHECK(other(host, guest4, false) == guest6);
    CHECK(other(host, guest6, false) == guest4);
    CHECK(other(host, guest6, false, known, {}, rules_of(guest, {"80"})) == guest4); // these listen on the loopback alone
    CHECK(other(host, guest6, false, unknown) == lo4);
    CHECK(other(host, lo6, true) == lo4);
    CHECK(other(host, lo6, false, unknown) == lo4);
    CHECK_FALSE(other(host, other_lo, true));
    for (const auto* spec : {"80", "auto", "79-81"})
        CHECK_FALSE(other(host, lo6, true, known, {}, rules_of(guest, {spec})));
    CHECK(other(host, lo6, true, known, {}, rules_of(guest, {"81"})) == lo4);
}

TEST_CASE("while the namespace's address is unknown, its loopback is no way to our own sockets there")
{
    const auto own = rules_of(rule_side::guest, {"80"});
    CHECK_FALSE(leads(rule_side::host, lo6, lo6, false, unknown, own));
    CHECK_FALSE(leads(rule_side::host, lo4, lo4, false, unknown, own));
    CHECK(leads(rule_side::host, lo6, lo6, false, known, own) == guest6);
    CHECK(leads(rule_side::host, lo6, lo6, false, unknown, rules_of(rule_side::guest, {"81"})) == lo6);
    CHECK(leads(rule_side::host, lo6, lo6, false, unknown, rules_of(rule_side::guest, {"80"}, udp)) == lo6);
    CHECK(leads(rule_side::host, lo6, lo6, false, unknown, rules_of(rule_side::guest, {"80,auto"})) == lo6);
}

TEST_CASE("rules that lead back to the port where a connection was made are found, of whatever length the circle is")
{
    CHECK(circles({"8080"}, {"8080"}));
    CHECK(circles({"8080:9090"}, {"9090:8080"}));
    CHECK(circles({"80:81", "82:83"}, {"81:82", "83:80"}));
    CHECK(circles({"7:80", "80:81", "82:81"}, {"81:82"})); // 7 and 80 only lead into it
    CHECK(circles({"1000-1999"}, {"1500-1600"}));
    CHECK(circles({"%lo/8080"}, {"8080"}));
    CHECK(circles({"127.0.0.1/8080"}, {"8080"}));
    CHECK(circles({"127.0.0.5/8080"}, {"8080"}));
    CHECK(circles({"[::1]/8080"}, {"8080"}));
    CHECK(circles({"0.0.0.0/8080"}, {"8080"}));
    CHECK(circles({"all"}, {"all"}));
    const auto found = find_circle(rules_of(rule_side::host, {"22", "80:81"}), rules_of(rule_side::guest, {"23", "81:80"}));
    REQUIRE(found);
    CHECK((found->there.first == 80 && found->back.first == 81));
    CHECK(find_circle(rules_of(rule_side::host, {"8080"}), rules_of(rule_side::guest, {"8080"}, tcp, false)));
}

TEST_CASE("rules that end somewhere, or never meet, are no circle")
{
    CHECK_FALSE(circles({}, {}));
    CHECK_FALSE(circles({"8080"}, {}));
    CHECK_FALSE(circles({"8080"}, {"9090"}));
    CHECK_FALSE(circles({"80:81"}, {"81:82"}));
    CHECK_FALSE(circles({"1000-1009:2000-2009"}, {"2000-2009:1010-1019"}));
    CHECK_FALSE(circles({"1000-1009:2001-2010"}, {"2001-2010:1001-1010"})); // one further each time, and out at the end
    CHECK_FALSE(circles({"192.0.2.2/8080"}, {"8080"}));
    CHECK_FALSE(circles({"%eth0/8080"}, {"8080"}));
    CHECK_FALSE(circles({"127.0.0.5/80:81", "127.0.0.6/82:83"}, {"81:82", "83:80"}));
    CHECK_FALSE(circles({"0.0.0.0/8080:192.0.2.9"}, {"8080"})); // a target goes over the tap
    CHECK_FALSE(circles({"8080"}, {"auto"}));
    CHECK_FALSE(circles({"auto"}, {"8080"}));
    CHECK_FALSE(circles({"auto"}, {"auto"}));
    CHECK_FALSE(find_circle(rules_of(rule_side::host, {"8080"}), rules_of(rule_side::guest, {"8080"}, udp)));
}
