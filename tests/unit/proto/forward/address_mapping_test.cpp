#include "proto/forward/address_mapping.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

#include <vector>

using namespace tapioca;

namespace {

constexpr auto a4 = [](octet last) { return ip_address::v4(192, 0, 2, last); };
constexpr auto a6 = [](std::uint16_t last) { return ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, last}); };
constexpr auto loopback4 = ip_address::v4(127, 0, 0, 1);
constexpr auto loopback6 = ip_address::v6({0, 0, 0, 0, 0, 0, 0, 1});
constexpr auto router6 = ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, 1});

name_service service(std::initializer_list<ip_address> forwarded, std::initializer_list<ip_address> resolvers)
{
    name_service s;
    for (const auto& a : forwarded)
        REQUIRE(s.forwarded.push_back(a));
    for (const auto& a : resolvers)
        REQUIRE(s.resolvers.push_back(a));
    return s;
}

address_map everything()
{
    return {.map_host_loopback4 = a4(1),
            .map_host_loopback6 = a6(1),
            .map_guest_addr4 = a4(2),
            .map_guest_addr6 = a6(2),
            .names4 = service({a4(3), a4(4)}, {ip_address::v4(127, 0, 0, 53), a4(53)}),
            .names6 = service({a6(3)}, {loopback6}),
            .guest4 = a4(10),
            .guest6 = a6(0x10),
            .host4 = a4(10),
            .host6 = a6(0x10),
            .our_tap4 = a4(1),
            .our_tap6_ll = router6,
            .gateway6 = {}};
}

endpoint outbound(const address_map& t, ip_address to, std::uint16_t port, octet protocol = wire::protocol_tcp)
{
    const auto result = outbound_destination(t, protocol, {to, port});
    CHECK(result.port == port);
    return result;
}

} // namespace

TEST_CASE("queries to the forwarded resolver go to the host's, over both protocols and ports, and nothing else does")
{
    const auto t = everything();
    for (const auto port : {std::uint16_t{53}, std::uint16_t{853}})
        for (const auto protocol : {wire::protocol_tcp, wire::protocol_udp}) {
            CHECK(outbound(t, a4(3), port, protocol).address == ip_address::v4(127, 0, 0, 53));
            CHECK(outbound(t, a4(4), port, protocol).address == ip_address::v4(127, 0, 0, 53));
            CHECK(outbound(t, a6(3), port, protocol).address == loopback6);
        }
    CHECK(outbound(t, a4(3), 80).address == a4(3));
    CHECK(outbound(t, a6(3), 5353, wire::protocol_udp).address == a6(3));
    CHECK(outbound(t, a4(3), 53, wire::protocol_icmp).address == a4(3));
}

TEST_CASE("the mapped loopback address leads to the host's own loopback")
{
    const auto t = everything();
    CHECK(outbound(t, a4(1), 80).address == loopback4);
    CHECK(outbound(t, a6(1), 80, wire::protocol_udp).address == loopback6);
    CHECK(outbound(t, a4(1), 0, wire::protocol_icmp).address == loopback4);
}

TEST_CASE("the mapped guest address leads to the host's own use of it")
{
    const auto t = everything();
    CHECK(outbound(t, a4(2), 80).address == a4(10));
    CHECK(outbound(t, a6(2), 80).address == a6(0x10));
}

TEST_CASE(
    "the mapped guest address leads nowhere else while the guest has none: an unspecified destination is the host's loopback")
{
    auto t = everything();
    t.guest4 = t.guest6 = t.host4 = t.host6 = {};
    CHECK(outbound(t, a4(2), 80).address == a4(2));
    CHECK(outbound(t, a6(2), 80).address == a6(2));
    CHECK(!stays_on_host(t, a6(2)));
}

TEST_CASE("the resolver comes before the loopback, the loopback before the guest address")
{
    auto t = everything();
    t.map_host_loopback4 = t.map_guest_addr4 = a4(1);
    t.names4.forwarded.push_back(a4(1));
    CHECK(outbound(t, a4(1), 53).address == ip_address::v4(127, 0, 0, 53));
    CHECK(outbound(t, a4(1), 80).address == loopback4);
    t.map_host_loopback4 = {};
    CHECK(outbound(t, a4(1), 80).address == a4(10));
}

TEST_CASE("without mappings every destination stays what it is")
{
    for (const auto& to : {a4(1), a4(2), a4(3), a6(1), ip_address{}, ip_address::v4(0), loopback4, loopback6})
        for (const auto port : {std::uint16_t{53}, std::uint16_t{80}})
            CHECK(outbound(address_map{}, to, port).address == to);
}

TEST_CASE("a mapping of one family leaves the other alone")
{
    auto t = everything();
    t.map_host_loopback4 = {};
    CHECK(outbound(t, a4(1), 80).address == a4(1));
    CHECK(outbound(t, a6(1), 80).address == loopback6);
}

namespace {

constexpr auto ll6 = [](std::uint16_t last) { return ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, last}); };
constexpr guest_addresses usual{a4(10), a6(0x10), ll6(0x10)};
constexpr forward_rule port_8080_to_80{.protocol = wire::protocol_udp, .first = 8080, .last = 8080, .target_first = 80};

/// What the guest sees of a peer's packet from port 1234, through a rule that leads from 8080 to 80.
std::optional<inbound> seen_by_guest(const address_map& t, const ip_address& peer, const guest_addresses& seen = usual,
                                     const ip_address& to = {}, const ip_address& target = {})
{
    auto rule = port_8080_to_80;
    rule.target = target;
    const auto in = inbound_endpoints(t, rule, 8080, {peer, 1234}, to, seen);
    if (in) {
        CHECK(in->source.port == 1234);
        CHECK(in->destination.port == 80);
    }
    return in;
}

struct source_row {
    const char* what;
    ip_address peer;
    ip_address source; ///< unspecified: refused
    ip_address destination;
};

void check(const address_map& t, const guest_addresses& seen, std::initializer_list<source_row> rows)
{
    for (const auto& r : rows) {
        INFO(r.what);
        const auto in = seen_by_guest(t, r.peer, seen);
        CHECK(in.has_value() == !r.source.is_unspecified());
        if (!in)
            continue;
        CHECK(in->source.address == r.source);
        CHECK(in->destination.address == r.destination);
        CHECK(in->guest == r.destination);
    }
}

constexpr auto far4 = ip_address::v4(8, 8, 8, 8), other_loopback4 = ip_address::v4(127, 0, 0, 53);
constexpr auto far6 = ip_address::v6({0x2001, 0xdb8, 0xf, 0, 0, 0, 0, 8});

} // namespace

TEST_CASE("the source that the guest sees, row by row, with every mapping")
{
    check(everything(), usual,
          {{"the host's loopback is the mapped address", loopback4, a4(1), a4(10)},
           {"any other loopback address is ours", other_loopback4, a4(1), a4(10)},
           {"the address that the guest was given is the mapped one", a4(10), a4(2), a4(10)},
           {"a source of zeroes is ours", ip_address::v4(0), a4(1), a4(10)},
           {"a neighbour of the host is itself", a4(77), a4(77), a4(10)},
           {"somebody far away is himself", far4, far4, a4(10)},
           {"a link-local peer is itself: the guest's router is here", ip_address::v4(169, 254, 7, 7),
            ip_address::v4(169, 254, 7, 7), a4(10)}});
    check(everything(), usual,
          {{"the host's loopback is the mapped address", loopback6, a6(1), a6(0x10)},
           {"the address that the guest was given is the mapped one", a6(0x10), a6(2), a6(0x10)},
           {"the guest's link-local address is ours, and goes with itself", ll6(0x10), router6, ll6(0x10)},
           {"a source of zeroes is ours", ip_address{}, router6, ll6(0x10)},
           {"a neighbour of the host is itself", a6(0x77), a6(0x77), a6(0x10)},
           {"somebody far away is himself", far6, far6, a6(0x10)},
           {"a link-local peer is itself, and goes with the guest's link-local address", ll6(9), ll6(9), ll6(0x10)}});
}

TEST_CASE("the source that the guest sees when it uses another address than it was given")
{
    check(everything(), {a4(11), a6(0x11), ll6(0x11)},
          {{"the address that the guest was given is the mapped one", a4(10), a4(2), a4(11)},
           {"the address that it uses is ours", a4(11), a4(1), a4(11)},
           {"in IPv6 too", a6(0x10), a6(2), a6(0x11)},
           {"in IPv6 it goes with the link-local one", a6(0x11), router6, ll6(0x11)}});
}

TEST_CASE("without mappings, what the guest cannot answer comes from us")
{
    auto t = everything();
    t.map_host_loopback4 = t.map_host_loopback6 = t.map_guest_addr4 = t.map_guest_addr6 = {};
    check(t, usual,
          {{"the host's loopback", loopback4, a4(1), a4(10)},
           {"the host's own address, which is the guest's", a4(10), a4(1), a4(10)},
           {"the host's IPv6 loopback", loopback6, router6, ll6(0x10)},
           {"the host's own IPv6 address, which is the guest's", a6(0x10), router6, ll6(0x10)},
           {"anybody else is himself", far4, far4, a4(10)},
           {"in IPv6 too", far6, far6, a6(0x10)}});
}

TEST_CASE("mappings to a link-local gateway, the usual case: the guest's link-local address is the destination")
{
    auto t = everything();
    t.map_host_loopback6 = t.gateway6 = t.our_tap6_ll = ll6(0xabcd);
    t.map_guest_addr6 = {};
    check(t, usual,
          {{"the host's loopback", loopback6, ll6(0xabcd), ll6(0x10)}, {"the host's address", a6(0x10), ll6(0xabcd), ll6(0x10)}});
    check(t, {a4(10), a6(0x10), {}},
          {{"the host's loopback, while the guest's link-local address is unknown", loopback6, {}, {}},
           {"the host's address, likewise", a6(0x10), {}, {}},
           {"a link-local peer, likewise", ll6(9), {}, {}},
           {"a global peer does not care", far6, far6, a6(0x10)}});
}

TEST_CASE("the last resort of IPv6 is the gateway, as far as the guest has an address of its scope")
{
    auto t = everything();
    t.map_host_loopback6 = t.map_guest_addr6 = {};
    t.gateway6 = a6(0xff);
    check(t, usual, {{"a global gateway", loopback6, a6(0xff), a6(0x10)}});
    check(t, {a4(10), {}, ll6(0x10)},
          {{"a guest without a global address", loopback6, router6, ll6(0x10)},
           {"which could not answer a global peer either", far6, router6, ll6(0x10)}});
    t.gateway6 = ll6(0xabcd);
    check(t, usual, {{"a link-local gateway", loopback6, ll6(0xabcd), ll6(0x10)}});
}

TEST_CASE("if we have no address either, the guest cannot be told who is there")
{
    auto t = everything();
    t.map_host_loopback4 = t.our_tap4 = t.map_host_loopback6 = t.our_tap6_ll = {};
    check(t, usual,
          {{"the host's loopback", loopback4, {}, {}},
           {"in IPv6 too", loopback6, {}, {}},
           {"far away", far4, far4, a4(10)},
           {"far away in IPv6", far6, far6, a6(0x10)}});
    t.our_tap4 = ip_address::v4(169, 254, 2, 2);
    check(t, usual, {{"a link-local address is no last resort for a routed one", loopback4, {}, {}}});
    check(t, {ip_address::v4(169, 254, 2, 1), {}, {}},
          {{"but for its neighbour", other_loopback4, t.our_tap4, ip_address::v4(169, 254, 2, 1)}});
}

TEST_CASE("a guest whose address is unknown gets nothing, nor does a peer without a port")
{
    check(everything(), {}, {{"IPv4", far4, {}, {}}, {"IPv6", far6, {}, {}}, {"loopback", loopback4, {}, {}}});
    CHECK_FALSE(inbound_endpoints(everything(), port_8080_to_80, 8080, {far4, 0}, {}, usual));
}

TEST_CASE("the rule's target is the destination, of one family and one scope with the source")
{
    auto t = everything();
    const auto with = [&](const ip_address& peer, const ip_address& target) { return seen_by_guest(t, peer, usual, {}, target); };
    CHECK(with(far4, a4(99))->destination.address == a4(99));
    CHECK(with(far4, a4(99))->guest == a4(99));
    CHECK(with(loopback4, a4(99))->source.address == a4(1));
    CHECK(with(far6, a6(0x99))->destination.address == a6(0x99));
    CHECK_FALSE(with(far4, a6(0x99)));
    CHECK_FALSE(with(far6, a4(99)));
    CHECK(with(far6, ll6(0x99))->source.address == router6);
    CHECK(with(ll6(9), ll6(0x99))->source.address == ll6(9));
    CHECK(with(ll6(9), a6(0x99))->source.address == ll6(9)); // for want of a better one, in case the guest has the address
    t.map_host_loopback6 = t.gateway6 = ll6(0xabcd);
    CHECK(with(loopback6, a6(0x10))->source.address == ll6(0xabcd)); // the guest itself, on the link
    CHECK(with(a6(0x10), a6(0x99))->source.address == a6(2));
    CHECK(with(ll6(0x10), a6(0x99))->source.address == router6);
    t.gateway6 = a6(0xff);
    CHECK(with(loopback6, a6(0x99))->source.address == a6(0xff));
}

TEST_CASE("a group stays the destination, and the guest answers from its own address")
{
    const auto t = everything();
    const auto group4 = ip_address::v4(239, 1, 2, 3), group6 = ip_address::v6({0xff02, 0, 0, 0, 0, 0, 0, 0x123});
    const auto in4 = seen_by_guest(t, far4, usual, group4);
    REQUIRE(in4);
    CHECK(in4->source.address == far4);
    CHECK(in4->destination.address == group4);
    CHECK(in4->guest == a4(10));
    const auto in6 = seen_by_guest(t, ll6(9), usual, group6);
    REQUIRE(in6);
    CHECK(in6->source.address == ll6(9));
    CHECK(in6->destination.address == group6);
    CHECK(in6->guest == ll6(0x10));
    CHECK(seen_by_guest(t, loopback6, usual, group6)->source.address == a6(1));
    CHECK(seen_by_guest(t, far4, usual, group4, a4(99))->destination.address == a4(99));
    CHECK_FALSE(seen_by_guest(t, far4, {}, group4));
    CHECK(seen_by_guest(t, far4, usual, a4(200))->destination.address == a4(10));
}

TEST_CASE("ports are mapped by the rule, whatever its length")
{
    forward_rule range{.protocol = wire::protocol_tcp, .first = 8000, .last = 8099, .target_first = 9000};
    CHECK(inbound_endpoints(everything(), range, 8042, {far4, 5}, {}, usual)->destination.port == 9042);
}

TEST_CASE("what stays on the host has no use for an interface to the outside")
{
    const auto t = everything();
    CHECK(stays_on_host(t, loopback4));
    CHECK(stays_on_host(t, other_loopback4));
    CHECK(stays_on_host(t, loopback6));
    CHECK(stays_on_host(t, a4(10)));
    CHECK(stays_on_host(t, a6(0x10)));
    CHECK_FALSE(stays_on_host(t, a4(1)));
    CHECK_FALSE(stays_on_host(t, far6));
    CHECK_FALSE(stays_on_host(address_map{}, ip_address::v4(0)));
}

TEST_CASE("a node that reports an error is itself, or we are")
{
    const auto t = everything();
    CHECK(reporting_node(t, far4, a4(10)) == far4);
    CHECK(reporting_node(t, far6, a6(0x10)) == far6);
    CHECK(reporting_node(t, ll6(9), a6(0x10)) == ll6(9));
    CHECK(reporting_node(t, loopback4, a4(10)) == a4(1));
    CHECK(reporting_node(t, a4(10), a4(11)) == a4(2));
    CHECK(reporting_node(t, a4(11), a4(11)) == a4(1));
    CHECK(reporting_node(t, other_loopback4, a4(10)) == a4(1));
    CHECK(reporting_node(t, far6, a4(10)) == std::nullopt);
    CHECK(reporting_node(address_map{}, loopback4, a4(10)) == std::nullopt);
}

TEST_CASE("the addresses at which the guest may have called a peer lead to it, and there is no other")
{
    const auto t = everything();
    const auto called = [&](const endpoint& peer) {
        const auto found = called_addresses(t, wire::protocol_udp, peer);
        for (const auto& a : found)
            CHECK((outbound_destination(t, wire::protocol_udp, {a, peer.port}) == peer ||
                   asked_names(t, wire::protocol_udp, {a, peer.port}) != nullptr));
        return std::vector<ip_address>{found.begin(), found.end()};
    };
    CHECK(called({a4(77), 5}) == std::vector{a4(77)});
    CHECK(called({a4(1), 5}).empty()); // what goes there goes to the loopback
    CHECK(called({loopback4, 5}) == std::vector{a4(1), loopback4});
    CHECK(called({a4(10), 5}) == std::vector{a4(2), a4(10)});
    CHECK(called({loopback6, 53}) == std::vector{a6(1), a6(3), loopback6});
    CHECK(called({loopback6, 54}) == std::vector{a6(1), loopback6});
    CHECK(called({ip_address::v4(127, 0, 0, 53), 853}) == std::vector{a4(3), a4(4), ip_address::v4(127, 0, 0, 53)});
    CHECK(called({a4(53), 53}) == std::vector{a4(3), a4(4), a4(53)}); // asked after the first
    CHECK(called({a4(53), 80}) == std::vector{a4(53)});
}

TEST_CASE("our name service is asked over TCP and UDP, at its ports, even while no resolver is known")
{
    auto t = everything();
    CHECK(asked_names(t, wire::protocol_udp, {a4(3), 53}) == &t.names4);
    CHECK(asked_names(t, wire::protocol_tcp, {a6(3), 853}) == &t.names6);
    CHECK(asked_names(t, wire::protocol_udp, {a4(3), 80}) == nullptr);
    CHECK(asked_names(t, wire::protocol_udp, {a4(53), 53}) == nullptr);
    CHECK(asked_names(t, wire::protocol_icmp, {a4(3), 53}) == nullptr);
    t.names4.resolvers.clear();
    CHECK(asked_names(t, wire::protocol_udp, {a4(4), 53}) == &t.names4);
    CHECK(outbound(t, a4(4), 53, wire::protocol_udp).address == a4(4));
}
