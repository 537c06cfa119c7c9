#include "daemon/control/rule_request.hpp"

#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

namespace tapioca {
namespace {

const spec_limits anything{.context = {}, .has_guest_side = true};
constexpr enabled_protocols all_protocols;

rule_spec tcp(const char* ports, rule_side side = rule_side::host) { return {side, wire::protocol_tcp, ports}; }

both_rules rules(std::vector<rule_spec> specs)
{
    const auto made = rules_of(specs, anything);
    REQUIRE(std::holds_alternative<both_rules>(made));
    return std::get<both_rules>(made);
}

refused_rule refusal(std::vector<rule_spec> specs, const spec_limits& limits = anything)
{
    const auto made = rules_of(specs, limits);
    REQUIRE(std::holds_alternative<refused_rule>(made));
    return std::get<refused_rule>(made);
}

/// Each of an owner of its own: "a" has the first.
std::vector<known_rule> known(std::vector<rule_spec> specs)
{
    std::vector<known_rule> all;
    for (const auto& spec : specs) {
        const auto made = rules({spec});
        const auto slot = static_cast<std::uint8_t>(all.size());
        all.push_back({slot + 1U, spec.side, slot, made.of(spec.side)[0], std::string(1, static_cast<char>('a' + slot))});
    }
    return all;
}

std::vector<unsigned> ports_of(const forward_rules& rules)
{
    std::vector<unsigned> ports;
    for (const auto& rule : rules)
        ports.push_back(rule.first);
    return ports;
}

std::vector<unsigned> host_ports(const wanted_rules& wanted)
{
    REQUIRE(std::holds_alternative<both_rules>(wanted));
    return ports_of(std::get<both_rules>(wanted).host);
}

using ports = std::vector<unsigned>;

TEST_CASE("a spec is the value of an option, and may be several rules")
{
    const auto made = rules({tcp("80:8080,90-91"), tcp("5000", rule_side::guest), {rule_side::host, wire::protocol_udp, "80"}});
    CHECK(ports_of(made.host) == ports{80, 90, 80});
    CHECK(made.host[0].target_first == 8080);
    CHECK(made.host[0].group == made.host[1].group);
    CHECK(made.host[0].group != made.host[2].group);
    CHECK(made.host[2].protocol == wire::protocol_udp);
    CHECK(ports_of(made.guest) == ports{5000});
    CHECK(rules({tcp("none")}).host.empty());
    CHECK(rules({tcp("80"), tcp("80")}).host.size() == 1);
}

TEST_CASE("a spec that cannot be followed is named as the option that it would be, with a reason in one line")
{
    CHECK(refusal({tcp("80"), tcp("x")}).rule == "-t x");
    CHECK(refusal({tcp("0", rule_side::guest)}).rule == "-T 0");
    CHECK(refusal({{rule_side::host, wire::protocol_udp, "80/udp"}}).rule == "-u 80/udp");
    CHECK(refusal({tcp("80:10.0.0.1/80")}).why.find("unsupported; Did you mean") != std::string::npos);
    CHECK(refusal({tcp("80"), tcp("79-81")}).rule == "TCP [*]:79-81  =>  79-81");
    CHECK(refusal({tcp("80", rule_side::guest)}, {.context = {}, .has_guest_side = false}).why ==
          "there is no namespace to listen in");
    spec_limits without_scans = anything;
    without_scans.context.auto_allowed = false;
    CHECK(refusal({tcp("auto")}, without_scans).rule == "-t auto");
}

TEST_CASE("what is there already is added once")
{
    const auto there = known({tcp("80"), tcp("81")});
    CHECK(host_ports(with_added(there, rules({tcp("81"), tcp("82")}), all_protocols)) == ports{80, 81, 82});
    const auto conflict = with_added(there, rules({tcp("81:82")}), all_protocols);
    REQUIRE(std::holds_alternative<refused_rule>(conflict));
    CHECK(std::get<refused_rule>(conflict).rule == "TCP [*]:81  =>  82");
}

TEST_CASE("a rule is deleted by its id, by whom it belongs to")
{
    const auto there = known({tcp("80"), tcp("81")});
    CHECK(host_ports(without(there, 1, "")) == ports{81});
    CHECK(host_ports(without(there, 2, "b")) == ports{80});
    CHECK(std::get<no_such_rule>(without(there, 3, "")).rule == "3");
    CHECK(std::get<rule_of_another>(without(there, 2, "a")).owner == "b");
}

TEST_CASE("rules are deleted as they were written, all of them or none")
{
    const auto there = known({tcp("80"), tcp("81:8081"), tcp("82")});
    CHECK(host_ports(without(there, rules({tcp("80,82")}), "")) == ports{81});
    CHECK(std::get<no_such_rule>(without(there, rules({tcp("80,81")}), "")).rule == "TCP [*]:81  =>  81");
    CHECK(std::get<rule_of_another>(without(there, rules({tcp("80,82")}), "a")).id == 3);
}

TEST_CASE("an owner's rules are replaced, and those of others stay")
{
    const auto there = known({tcp("80"), tcp("81"), tcp("82")});
    CHECK(host_ports(with_replaced(there, rules({tcp("83"), tcp("82")}), "b", all_protocols)) == ports{80, 82, 83});
    CHECK(host_ports(with_replaced(there, rules({tcp("83"), tcp("82")}), "", all_protocols)) == ports{82, 83});
    CHECK(host_ports(with_replaced(there, {}, "", all_protocols)).empty());
    CHECK(std::holds_alternative<refused_rule>(with_replaced(there, rules({tcp("80:90")}), "b", all_protocols)));
    CHECK(host_ports(with_replaced(there, rules({tcp("80:90")}), "a", all_protocols)) == ports{81, 82, 80});
}

TEST_CASE("rules are the same if nothing of them differs that anybody notices")
{
    const auto some = rules({tcp("80"), tcp("81"), tcp("5000", rule_side::guest)});
    CHECK(same_rules(some, some));
    CHECK_FALSE(same_rules(some, rules({tcp("81"), tcp("80"), tcp("5000", rule_side::guest)})));
    CHECK_FALSE(same_rules(some, rules({tcp("80"), tcp("81")})));
    CHECK_FALSE(same_rules(some, rules({tcp("80"), tcp("81:82"), tcp("5000", rule_side::guest)})));
    auto content = some;
    content.host[0].best_effort = true;
    CHECK_FALSE(same_rules(some, content));
}

TEST_CASE("whoever sends tables back keeps what others have changed meanwhile")
{
    const auto seen = rules({tcp("80"), tcp("81")});
    const auto sent = rules({tcp("80"), tcp("82")}); // without 81, with 82
    const auto now = rules({tcp("81"), tcp("90")});  // somebody has deleted 80 and added 90
    CHECK(ports_of(merged(seen, sent, now)->host) == ports{82, 90});
    CHECK(ports_of(merged(seen, sent, seen)->host) == ports{80, 82});
    CHECK(ports_of(merged(seen, rules({tcp("90")}), now)->host) == ports{90});
    both_rules many, others;
    for (std::uint16_t port = 1000; port < 1200; ++port) {
        forward_rule rule = seen.host[0];
        rule.first = rule.last = rule.target_first = port;
        many.host.push_back(rule);
        rule.first = rule.last = rule.target_first = static_cast<std::uint16_t>(port + 1000);
        others.host.push_back(rule);
    }
    CHECK_FALSE(merged({}, many, others));
}

} // namespace
} // namespace tapioca
