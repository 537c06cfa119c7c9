#include "proto/base/ip_text.hpp"
#include "proto/forward/rule_table.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;

namespace {

/// `address`: * for both families.
forward_rule rule(std::string_view address, std::uint16_t first, std::uint16_t last, std::string_view interface = {})
{
    forward_rule r;
    r.protocol = wire::protocol_tcp;
    if (address != "*") {
        r.address = ip_from_text(address).value();
        r.stack = r.address.is_v4() ? listen_stack::ipv4 : listen_stack::ipv6;
    }
    r.interface.assign(interface);
    r.first = r.target_first = first;
    r.last = last;
    return r;
}

bool clash(const forward_rule& a, const forward_rule& b)
{
    CHECK(conflicting(a, b) == conflicting(b, a));
    return conflicting(a, b);
}

std::optional<rule_fault> fault(const forward_rule& r, const enabled_protocols& enabled = {})
{
    forward_rules table;
    const auto refused = add_rule(table, r, enabled);
    CHECK(table.empty() == refused.has_value());
    return refused ? std::optional{refused->why} : std::nullopt;
}

} // namespace

TEST_CASE("rules conflict where they claim the same port of the same address")
{
    CHECK(clash(rule("*", 80, 90), rule("*", 90, 99)));
    CHECK(clash(rule("*", 80, 90), rule("*", 85, 86)));
    CHECK_FALSE(clash(rule("*", 80, 90), rule("*", 91, 99)));
    CHECK_FALSE(clash(rule("*", 80, 90), rule("*", 79, 79)));
    forward_rule udp = rule("*", 80, 80);
    udp.protocol = wire::protocol_udp;
    CHECK_FALSE(clash(rule("*", 80, 80), udp));
}

TEST_CASE("both families at once have every address, and a wildcard all of its family")
{
    const auto clash_on_80 = [](std::string_view a, std::string_view b) { return clash(rule(a, 80, 80), rule(b, 80, 80)); };
    CHECK(clash_on_80("*", "0.0.0.0"));
    CHECK(clash_on_80("*", "::"));
    CHECK(clash_on_80("*", "127.0.0.1"));
    CHECK(clash_on_80("*", "::1"));
    CHECK(clash_on_80("0.0.0.0", "127.0.0.1"));
    CHECK(clash_on_80("::", "::1"));
    CHECK(clash_on_80("127.0.0.1", "127.0.0.1"));
    CHECK(clash_on_80("::1", "::1"));
    CHECK_FALSE(clash_on_80("127.0.0.1", "127.0.0.2"));
    CHECK_FALSE(clash_on_80("::1", "fc00::1"));
    CHECK_FALSE(clash_on_80("0.0.0.0", "::"));
    CHECK_FALSE(clash_on_80("0.0.0.0", "::1"));
    CHECK_FALSE(clash_on_80("127.0.0.1", "::"));
}

TEST_CASE("sockets on different interfaces never meet, those on any interface meet all")
{
    CHECK_FALSE(clash(rule("*", 80, 80, "eth0"), rule("*", 80, 80, "eth1")));
    CHECK_FALSE(clash(rule("127.0.0.1", 80, 80, "eth0"), rule("127.0.0.1", 80, 80, "lo")));
    CHECK(clash(rule("*", 80, 80, "eth0"), rule("*", 80, 80, "eth0")));
    CHECK(clash(rule("*", 80, 80, "eth0"), rule("*", 80, 80)));
    CHECK(clash(rule("*", 80, 80, "eth0"), rule("127.0.0.1", 80, 80)));
}

TEST_CASE("a rule is refused for what the guest's network lacks")
{
    CHECK(fault(rule("*", 1, 65535)) == std::nullopt);
    CHECK(fault(rule("*", 80, 80), {.tcp = false}) == rule_fault::protocol_disabled);
    CHECK(fault(rule("*", 80, 80), {.udp = false}) == std::nullopt);
    CHECK(fault(rule("*", 80, 80), {.ipv4 = false}) == rule_fault::family_disabled);
    CHECK(fault(rule("*", 80, 80), {.ipv6 = false}) == rule_fault::family_disabled);
    CHECK(fault(rule("127.0.0.1", 80, 80), {.ipv4 = false}) == rule_fault::family_disabled);
    CHECK(fault(rule("127.0.0.1", 80, 80), {.ipv6 = false}) == std::nullopt);
    CHECK(fault(rule("::1", 80, 80), {.ipv6 = false}) == rule_fault::family_disabled);
}

TEST_CASE("a rule is refused for ports and targets that cannot be")
{
    CHECK(fault(rule("*", 0, 80)) == rule_fault::from_port_zero);
    forward_rule to_zero = rule("*", 80, 81);
    to_zero.target_first = 0;
    CHECK(fault(to_zero) == rule_fault::to_port_zero);

    const auto targeted = [](std::string_view address, std::string_view target) {
        forward_rule r = rule(address, 80, 80);
        r.target = ip_from_text(target).value();
        return fault(r);
    };
    CHECK(targeted("127.0.0.1", "10.0.0.1") == std::nullopt);
    CHECK(targeted("::", "fe80::1") == std::nullopt);
    CHECK(targeted("*", "10.0.0.1") == rule_fault::dual_stack_target);
    CHECK(targeted("*", "fc00::1") == rule_fault::dual_stack_target);
    CHECK(targeted("127.0.0.1", "fc00::1") == rule_fault::other_family_target);
    CHECK(targeted("::1", "10.0.0.1") == rule_fault::other_family_target);
    CHECK(targeted("127.0.0.1", "224.0.0.1") == rule_fault::multicast_target);
    CHECK(targeted("127.0.0.1", "255.255.255.255") == rule_fault::multicast_target);
    CHECK(targeted("::1", "ff02::1") == rule_fault::multicast_target);
}

TEST_CASE("a refusal names both sides of a conflict, and the table stays as it was")
{
    forward_rules table;
    REQUIRE_FALSE(add_rule(table, rule("*", 80, 90), {}));
    REQUIRE_FALSE(add_rule(table, rule("*", 100, 110), {}));
    const auto refused = add_rule(table, rule("::1", 105, 105), {});
    REQUIRE(refused);
    CHECK(refused->why == rule_fault::conflict);
    CHECK(refused->rule.first == 105);
    CHECK(refused->other.first == 100);
    CHECK(table.size() == 2);
}

TEST_CASE("a side has at most 255 rules")
{
    forward_rules table;
    for (std::uint16_t port = 1; port <= 255; ++port)
        REQUIRE_FALSE(add_rule(table, rule("*", port, port), {}));
    const auto refused = add_rule(table, rule("*", 256, 256), {});
    REQUIRE(refused);
    CHECK(refused->why == rule_fault::too_many_rules);
    CHECK(table.size() == 255);
}

TEST_CASE("a side has at most 327680 listening sockets")
{
    forward_rules table;
    for (const auto* address : {"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"})
        REQUIRE_FALSE(add_rule(table, rule(address, 1, 65535), {}));
    const auto refused = add_rule(table, rule("127.0.0.6", 1, 6), {});
    REQUIRE(refused);
    CHECK(refused->why == rule_fault::too_many_sockets);
    CHECK_FALSE(add_rule(table, rule("127.0.0.6", 1, 5), {}));
}
