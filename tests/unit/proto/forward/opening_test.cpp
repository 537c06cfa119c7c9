#include "proto/forward/opening.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;

namespace {

constexpr auto guest4 = ip_address::v4(192, 0, 2, 5), router4 = ip_address::v4(192, 0, 2, 1);
constexpr auto remote4 = ip_address::v4(198, 51, 100, 7), loopback4 = ip_address::v4(127, 0, 0, 1);
constexpr auto guest6 = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 5});
constexpr auto remote6 = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 7});
constexpr auto local6 = ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, 7}), group6 = ip_address::v6({0xff02, 0, 0, 0, 0, 0, 0, 5});
constexpr auto names4 = ip_address::v4(192, 0, 2, 53), names6 = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53});
constexpr octet tcp = wire::protocol_tcp, udp = wire::protocol_udp, icmp = wire::protocol_icmp;

forwarding plain()
{
    forwarding f;
    f.address_map.guest4 = f.address_map.host4 = guest4;
    f.address_map.guest6 = f.address_map.host6 = guest6;
    f.address_map.our_tap4 = f.address_map.map_host_loopback4 = router4;
    f.outbound4 = ip_address::v4(203, 0, 113, 1);
    f.address_map.names4.forwarded.push_back(names4);
    f.address_map.names6.forwarded.push_back(names6);
    f.address_map.names6.resolvers.push_back(remote6);
    REQUIRE((f.outbound_if4.assign("eth0") && f.outbound_if6.assign("eth1")));
    f.scope6 = 3;
    return f;
}

constexpr guest_addresses known{.v4 = guest4, .v6 = guest6, .link_local = {}};

} // namespace

TEST_CASE("a flow of the guest leads to its mapped destination, or is refused with the reason")
{
    const struct {
        flow_key key;
        parsed<endpoint> expected;
    } rows[] = {
        {{guest4, remote4, 4000, 80, tcp}, endpoint{remote4, 80}},
        {{guest4, router4, 4000, 80, tcp}, endpoint{loopback4, 80}},
        {{guest4, router4, 7, 0, icmp}, endpoint{loopback4, 0}},
        {{guest4, remote4, 0, 0, icmp}, endpoint{remote4, 0}},
        {{guest6, group6, 4000, 5353, udp}, endpoint{group6, 5353}},
        {{guest6, names6, 4000, 53, udp}, endpoint{remote6, 53}},
        {{guest4, names4, 4000, 80, tcp}, endpoint{names4, 80}},
        {{guest4, names4, 4000, 53, udp}, drop_reason::no_resolver},
        {{guest4, names4, 4000, 853, tcp}, drop_reason::no_resolver},
        {{guest4, remote4, 4000, 0, tcp}, drop_reason::zero_port},
        {{guest4, remote4, 0, 80, udp}, drop_reason::zero_port},
        {{guest4, ip_address::v4(0), 4000, 80, udp}, drop_reason::unspecified_address},
        {{group6, remote6, 4000, 80, udp}, drop_reason::not_unicast},
        {{guest6, group6, 4000, 80, tcp}, drop_reason::not_unicast},
        {{guest6, group6, 7, 0, wire::protocol_icmpv6}, drop_reason::not_unicast},
    };
    for (const auto& row : rows) {
        const auto to = decide_outbound(plain(), row.key, {});
        REQUIRE(static_cast<bool>(to) == static_cast<bool>(row.expected));
        if (to)
            CHECK(to->to == *row.expected);
        else
            CHECK(to.why() == row.expected.why());
    }
}

TEST_CASE("the policy judges where a flow leads, not what the guest calls it, and never our own name service")
{
    auto f = plain();
    f.address_map.names4.resolvers.push_back(ip_address::v4(169, 254, 169, 254));
    auto policy = std::make_shared<egress_policy>();
    policy->profile = egress_profile::internet_only;
    f.egress = policy;
    f.places = std::make_shared<host_places>();
    const auto passes = [&](const flow_key& key) { return decide_outbound(f, key, {})->verdict.passes; };
    CHECK(passes({guest4, remote4, 4000, 80, tcp}));
    CHECK(!passes({guest4, router4, 4000, 80, tcp})); // it is the host's loopback
    CHECK(!passes({guest4, router4, 7, 0, icmp}));
    CHECK(!passes({guest6, group6, 4000, 5353, udp}));
    CHECK(passes({guest4, names4, 4000, 53, udp}));
    CHECK(!passes({guest4, ip_address::v4(169, 254, 169, 254), 4000, 80, tcp}));
    const forward_rule rule{.protocol = tcp, .first = 80, .last = 80, .target_first = 80};
    const auto past = decide_inbound(f, {rule_side::guest, rule, 80, {loopback4, 5000}, loopback4}, known, {});
    REQUIRE(past);
    CHECK(!past->verdict.passes);
    const forward_rule query{.protocol = udp, .first = 53, .last = 53, .target_first = 53};
    const auto stub4 = ip_address::v4(127, 0, 0, 53);
    const auto stub = [&] { return decide_inbound(f, {rule_side::guest, query, 53, {loopback4, 5000}, stub4}, known, {}); };
    CHECK(!stub()->verdict.passes);
    CHECK(!passes({guest4, ip_address::v4(10, 0, 0, 53), 4000, 53, udp}));
    host_places known_to_host;
    known_to_host.resolvers = {stub4, ip_address::v4(10, 0, 0, 53)};
    f.places = std::make_shared<host_places>(known_to_host);
    CHECK((stub()->verdict.passes && stub()->server == endpoint{stub4, 53}));
    CHECK(passes({guest4, ip_address::v4(10, 0, 0, 53), 4000, 53, udp}));
    CHECK(!passes({guest4, ip_address::v4(10, 0, 0, 53), 4000, 80, tcp}));
    SECTION("with names all queries go to the one that sees them")
    {
        auto named = std::make_shared<egress_policy>(*policy);
        named->names = {{egress_action::allow, {}, "shop.example", false, false, 0}};
        named->name_service = {endpoint{loopback4, 5353}, endpoint{ip_address::loopback(ip_family::ipv6), 5354}};
        f.egress = named;
        for (const auto& asked : {names4, remote4, router4})
            for (const auto protocol : {tcp, udp}) {
                const auto opening = decide_outbound(f, {guest4, asked, 4000, 53, protocol}, {});
                CHECK((opening->to == endpoint{loopback4, 5353} && opening->verdict.passes));
            }
        CHECK(decide_outbound(f, {guest6, names6, 4000, 53, udp}, {})->to.port == 5354);
        CHECK((stub()->verdict.passes && stub()->server == endpoint{loopback4, 5353}));
        CHECK(!passes({guest4, names4, 4000, 853, tcp}));
        named->name_service[1] = {}; // a host without ::1
        CHECK(decide_outbound(f, {guest6, names6, 4000, 53, udp}, {}).why() == drop_reason::no_resolver);
    }
}

TEST_CASE("sockets are bound as the user chose, but for what stays on the host; only a link has a scope")
{
    const auto f = plain();
    const auto out4 = path_to(f, remote4), own = path_to(f, loopback4), guests = path_to(f, guest4);
    CHECK((out4.from == f.outbound4 && out4.interface == "eth0" && out4.scope == 0));
    CHECK((own.from.is_unspecified() && own.interface.empty()));
    CHECK(guests.interface.empty());
    const auto out6 = path_to(f, remote6), link = path_to(f, local6), group = path_to(f, group6);
    CHECK((out6.from.is_unspecified() && out6.interface == "eth1" && out6.scope == 0));
    CHECK((link.scope == 3 && group.scope == 3));
}

TEST_CASE("tap or bypass: loopback traffic goes past the tap if it may, what the namespace asks always")
{
    auto f = plain();
    const forward_rule rule{.protocol = tcp, .first = 80, .last = 80, .target_first = 8080};
    const forward_rule aimed{.protocol = tcp, .first = 80, .last = 80, .target_first = 8080, .target = guest4};
    const auto from = [](const ip_address& peer, const forward_rule& r, rule_side side = rule_side::host) {
        return arrival{side, r, 80, {peer, 5000}, loopback4};
    };
    CHECK(way_of(f, from(loopback4, rule)) == flow_way::tap);
    CHECK(way_of(f, from(loopback4, rule, rule_side::guest)) == flow_way::bypass);
    f.splice = true;
    CHECK(way_of(f, from(loopback4, rule)) == flow_way::bypass);
    CHECK(way_of(f, from(remote4, rule)) == flow_way::tap);
    CHECK(way_of(f, from(loopback4, aimed)) == flow_way::tap);

    const auto over_tap = decide_inbound(f, from(remote4, rule), known, {});
    REQUIRE(over_tap);
    CHECK(over_tap->way == flow_way::tap);
    CHECK(over_tap->seen.source == endpoint{remote4, 5000});
    CHECK(over_tap->seen.destination == endpoint{guest4, 8080});
    const auto past = decide_inbound(f, from(loopback4, rule), known, {});
    REQUIRE(past);
    CHECK((past->way == flow_way::bypass && past->server == endpoint{guest4, 8080}));
    f.host_loopback_to_namespace = true;
    CHECK(decide_inbound(f, from(loopback4, rule), known, {})->server == endpoint{loopback4, 8080});
    CHECK(depends_on_address(f, from(loopback4, rule)));
    CHECK_FALSE(depends_on_address(f, from(remote4, rule)));
}

TEST_CASE("what has no way into the guest is refused: without a tap, without a source that can be answered, or leading back")
{
    auto f = plain();
    f.splice = true;
    const forward_rule rule{.protocol = tcp, .first = 80, .last = 80, .target_first = 8080};
    CHECK(decide_inbound(f, {rule_side::host, rule, 80, {remote4, 0}, {}}, known, {}).why() == drop_reason::no_translation);
    CHECK(decide_inbound(f, {rule_side::guest, rule, 80, {guest4, 5000}, loopback4}, known, {}).why() ==
          drop_reason::no_translation);
    f.guest_rules.push_back({.protocol = tcp, .first = 8080, .last = 8080, .target_first = 8080});
    CHECK(decide_inbound(f, {rule_side::host, rule, 80, {loopback4, 5000}, {}}, {}, {}).why() == drop_reason::no_translation);
    f.splice_only = true;
    CHECK(decide_inbound(f, {rule_side::host, rule, 80, {remote4, 5000}, {}}, known, {}).why() == drop_reason::no_translation);
}
