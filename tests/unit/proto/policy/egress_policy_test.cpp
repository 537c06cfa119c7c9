#include "proto/policy/egress_policy.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;
using namespace std::chrono_literals;

namespace {

constexpr octet tcp = wire::protocol_tcp, udp = wire::protocol_udp, icmp = wire::protocol_icmp;
constexpr auto shop = ip_address::v4(192, 0, 2, 7), other = ip_address::v4(192, 0, 2, 8), private4 = ip_address::v4(10, 0, 0, 1);
constexpr auto public6 = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 7});
constexpr instant now{1h};
const host_places nowhere;

egress_address_rule by_network(egress_action action, const ip_address& a, unsigned length, std::uint16_t number,
                               egress_service s = {})
{
    return {action, s, std::nullopt, {a, static_cast<std::uint8_t>(length)}, number};
}

egress_verdict ask(const egress_policy& p, const ip_address& to, std::uint16_t port = 443, octet protocol = tcp)
{
    return judge(p, nowhere, protocol, {to, port}, now);
}

bool passes(const egress_policy& p, const ip_address& to, std::uint16_t port = 443, octet protocol = tcp)
{
    return ask(p, to, port, protocol).passes;
}

} // namespace

TEST_CASE("each profile denies what those before it do, and more")
{
    const ip_address rising[] = {public6, ip_address::loopback(ip_family::ipv4), private4, ip_address::v4(169, 254, 169, 254)};
    const std::size_t denied_of_these[] = {0, 1, 2, 3, 4};
    for (std::size_t i = 0; i < std::size(denied_of_these); ++i) {
        egress_policy p;
        p.profile = static_cast<egress_profile>(i);
        std::size_t denied = 0;
        for (const auto& a : rising)
            denied += !passes(p, a);
        CHECK(denied == denied_of_these[i]);
        CHECK(ask(p, public6).ground == egress_ground::profile);
    }
}

TEST_CASE("deny beats allow, and allow beats the profile, whatever was written first")
{
    egress_policy p;
    p.profile = egress_profile::deny_all;
    p.allowed = address_rules{{by_network(egress_action::allow, ip_address::v4(192, 0, 2, 99), 24, 3)}};
    const auto allowed = ask(p, shop);
    CHECK((allowed.passes && allowed.ground == egress_ground::rule && allowed.rule == 3));
    CHECK(!passes(p, ip_address::v4(192, 0, 3, 7)));
    CHECK(!passes(p, public6));
    p.denied = address_rules{{by_network(egress_action::deny, shop, 32, 1)}};
    const auto denied = ask(p, shop);
    CHECK((!denied.passes && denied.ground == egress_ground::rule && denied.rule == 1));
    CHECK(passes(p, other));
}

TEST_CASE("a rule means its protocol and ports, and echo only if it means all ports")
{
    egress_policy p;
    p.profile = egress_profile::deny_all;
    p.allowed = address_rules{
        {by_network(egress_action::allow, shop, 32, 0, {tcp, {80, 90}}), by_network(egress_action::allow, other, 32, 1)}};
    CHECK(passes(p, shop, 80));
    CHECK(passes(p, shop, 90));
    CHECK(!passes(p, shop, 91));
    CHECK(!passes(p, shop, 80, udp));
    CHECK(!passes(p, shop, 0, icmp));
    CHECK(passes(p, other, 0, icmp));
    CHECK(passes(p, other, 7, udp));
}

TEST_CASE("rules for classes and networks also mean the address that is carried inside of another")
{
    egress_policy p;
    p.denied =
        address_rules{{{egress_action::deny, {}, address_class::metadata, {}, 0}, by_network(egress_action::deny, shop, 32, 1)}};
    CHECK(!passes(p, ip_address::v4(169, 254, 169, 254)));
    CHECK(!passes(p, ip_address::v6({0x64, 0xff9b, 0, 0, 0, 0, 0xa9fe, 0xa9fe})));
    CHECK(!passes(p, ip_address::v6({0x2002, 0xc000, 0x207, 0, 0, 0, 0, 1}))); // 192.0.2.7
    CHECK(passes(p, ip_address::v6({0x2002, 0xc000, 0x208, 0, 0, 0, 0, 1})));
}

TEST_CASE("a thousand rules of all lengths are found as a search one by one finds them")
{
    std::uint32_t state = 1;
    const auto any = [&](std::uint32_t below) {
        state = state * 1664525 + 1013904223;
        return (state >> 8) % below;
    };
    const auto any_address = [&] {
        return any(2) == 0 ? ip_address::v4(192, 0, static_cast<octet>(any(4)), static_cast<octet>(any(256)))
                           : ip_address::v6({0x2001, 0xdb8, static_cast<std::uint16_t>(any(4)), 0, 0, 0, 0,
                                             static_cast<std::uint16_t>(any(99))});
    };
    std::vector<egress_address_rule> rules;
    for (std::uint16_t i = 0; i < 1000; ++i) {
        const auto a = any_address();
        const auto length = a.is_v4() ? 16 + any(17) : 32 + any(97);
        const auto first = static_cast<std::uint16_t>(any(100));
        rules.push_back(by_network(egress_action::allow, a, length, i,
                                   {any(2) == 0 ? tcp : octet{0}, {first, static_cast<std::uint16_t>(first + any(3))}}));
    }
    const address_rules index{rules};
    std::size_t found = 0;
    for (int i = 0; i < 20000; ++i) {
        const auto to = any_address();
        const auto port = static_cast<std::uint16_t>(any(100));
        const octet protocol = any(2) == 0 ? tcp : udp;
        bool expected = false;
        for (const auto& r : rules)
            expected = expected || (r.network.contains(to) && r.service.meets(protocol, port));
        const auto number = index.find(to, {}, protocol, port);
        REQUIRE(number.has_value() == expected);
        found += expected;
        if (number)
            REQUIRE((rules[*number].network.contains(to) && rules[*number].service.meets(protocol, port)));
    }
    CHECK(found > 1000);
}

TEST_CASE("a pin opens its address for the service of its rule, until it is over")
{
    const auto pins = std::make_shared<pin_table>(64, siphash_key{1, 2});
    egress_policy p;
    p.profile = egress_profile::deny_all;
    p.names = {{egress_action::allow, {tcp, {443, 443}}, "shop.example", false, false, 5}};
    p.pins = pins;
    CHECK(!passes(p, shop));
    REQUIRE(pins->set({shop, 0, 77, now + 1s}));
    const auto v = ask(p, shop);
    CHECK((v.passes && v.ground == egress_ground::name && v.rule == 5 && v.name == 77));
    CHECK(!passes(p, shop, 80));
    CHECK(!passes(p, shop, 443, udp));
    CHECK(!passes(p, other));
    CHECK(!judge(p, nowhere, tcp, {shop, 443}, now + 1s).passes);
    REQUIRE(pins->set({shop, 0, 77, now + 1min}));
    CHECK(judge(p, nowhere, tcp, {shop, 443}, now + 1s).passes);
    p.denied = address_rules{{by_network(egress_action::deny, shop, 32, 1)}};
    CHECK(!passes(p, shop));
}

TEST_CASE("while a rule has a name nobody asks around it, not even where that is allowed")
{
    egress_policy p;
    p.allowed = address_rules{{by_network(egress_action::allow, shop, 32, 0)}};
    CHECK(passes(p, shop, 853));
    p.names = {{egress_action::deny, {}, "bad.example", false, false, 1}};
    CHECK(ask(p, shop, 853).ground == egress_ground::around_names);
    CHECK(!passes(p, shop, 853));
    CHECK(!passes(p, public6, 853, udp));
    CHECK(p.takes_query(udp, {public6, 53}));
    CHECK(p.takes_query(tcp, {shop, 53}));
    CHECK(!p.takes_query(udp, {shop, 54}));
    CHECK(!p.takes_query(udp, {ip_address::v4(224, 0, 0, 251), 53}));
    CHECK(!egress_policy{}.takes_query(udp, {shop, 53}));
}

TEST_CASE("in the mode audit all passes, and what would be denied is said")
{
    egress_policy p;
    p.profile = egress_profile::deny_all;
    p.mode = egress_mode::audit;
    const auto v = ask(p, shop);
    CHECK((v.passes && v.says == egress_action::deny && v.ground == egress_ground::profile));
}

TEST_CASE("a name is itself, and a wildcard all below it")
{
    egress_policy p;
    p.profile = egress_profile::deny_all;
    p.names = {{egress_action::allow, {}, "shop.example", false, false, 0},
               {egress_action::allow, {}, "cdn.example", true, false, 1},
               {egress_action::deny, {}, "bad.cdn.example", true, false, 2}};
    const auto may = [&](std::string_view name) { return judge_name(p, name).may_ask; };
    CHECK(may("shop.example"));
    CHECK(!may("www.shop.example"));
    CHECK(!may("example"));
    CHECK(may("a.cdn.example"));
    CHECK(may("a.b.cdn.example"));
    CHECK(!may("cdn.example"));
    CHECK(!may("xcdn.example"));
    CHECK(!may(".cdn.example"));
    CHECK(!may("x.bad.cdn.example"));
    CHECK(may("bad.cdn.example"));
    CHECK(judge_name(p, "x.bad.cdn.example").rule == 2);
    p.profile = egress_profile::internet_only;
    CHECK(may("anything.example"));
    CHECK(!may("x.bad.cdn.example"));
}

TEST_CASE("tls = \"sni\" denies QUIC, whatever else allows it, and wants names of servers that a rule for a name allows")
{
    egress_policy p;
    CHECK(passes(p, shop, 443, udp));
    p.tls_names = true;
    p.allowed = address_rules{{by_network(egress_action::allow, other, 32, 0)}};
    for (const auto& a : {shop, other, public6})
        CHECK(ask(p, a, 443, udp).ground == egress_ground::around_tls);
    CHECK(passes(p, shop, 442, udp));
    CHECK(passes(p, shop, 443, tcp));

    const egress_verdict by_name{.ground = egress_ground::name};
    CHECK(needs_server_name(p, tcp, {shop, 443}, by_name));
    CHECK(!needs_server_name(p, tcp, {shop, 22}, by_name));
    CHECK(!needs_server_name(p, udp, {shop, 443}, by_name));
    CHECK(!needs_server_name(p, tcp, {shop, 443}, {.ground = egress_ground::profile}));
    p.tls_names = false;
    CHECK(!needs_server_name(p, tcp, {shop, 443}, by_name));
}

TEST_CASE("a server name leads where it was pinned, for rules that mean the port, unless the pin was taken back")
{
    egress_policy p;
    p.names = {{.action = egress_action::allow, .service = {tcp, {443, 443}}, .name = "a.example"},
               {.action = egress_action::allow, .service = {tcp, {22, 22}}, .name = "b.example"}};
    CHECK(!is_pinned(p, tcp, {shop, 443}, "a.example"));
    const auto pins = std::make_shared<pin_table>(16, siphash_key{1, 2});
    p.pins = pins;
    CHECK(pins->text_of("a.example") != pins->text_of("b.example"));
    REQUIRE(pins->set({shop, 0, 1, now - 1s, pins->text_of("a.example")})); // over, but it was allowed when the flow began
    REQUIRE(pins->set({shop, 1, 2, now + 1h, pins->text_of("b.example")}));
    REQUIRE(pins->set({shop, 9, 3, now + 1h, pins->text_of("c.example")}));
    CHECK(is_pinned(p, tcp, {shop, 443}, "a.example"));
    CHECK(is_pinned(p, tcp, {shop, 22}, "b.example"));
    CHECK(!is_pinned(p, tcp, {shop, 443}, "b.example"));
    CHECK(!is_pinned(p, tcp, {shop, 443}, "c.example"));
    CHECK(!is_pinned(p, tcp, {other, 443}, "a.example"));
    REQUIRE(pins->set({shop, 0, 1, instant{}, pins->text_of("a.example")}));
    CHECK(!is_pinned(p, tcp, {shop, 443}, "a.example"));
}
