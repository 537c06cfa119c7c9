#include "proto/forward/rules.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;

namespace {

constexpr auto a4 = [](octet last) { return ip_address::v4(192, 0, 2, last); };
constexpr auto a6 = [](std::uint16_t last) { return ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, last}); };
constexpr auto loopback4 = ip_address::v4(127, 0, 0, 1);
constexpr auto loopback6 = ip_address::v6({0, 0, 0, 0, 0, 0, 0, 1});
constexpr auto router6 = ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, 1});

translation everything()
{
    return {.map_host_loopback4 = a4(1),
            .map_host_loopback6 = a6(1),
            .map_guest_addr4 = a4(2),
            .map_guest_addr6 = a6(2),
            .dns_forward4 = a4(3),
            .dns_forward6 = a6(3),
            .dns_host4 = ip_address::v4(127, 0, 0, 53),
            .dns_host6 = loopback6,
            .guest4 = a4(10),
            .guest6 = a6(0x10),
            .our_tap4 = a4(1),
            .our_tap6_ll = router6};
}

endpoint outbound(const translation& t, ip_address to, std::uint16_t port, octet protocol = wire::protocol_tcp)
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

TEST_CASE("the resolver comes before the loopback, the loopback before the guest address")
{
    auto t = everything();
    t.dns_forward4 = t.map_host_loopback4 = t.map_guest_addr4 = a4(1);
    CHECK(outbound(t, a4(1), 53).address == ip_address::v4(127, 0, 0, 53));
    CHECK(outbound(t, a4(1), 80).address == loopback4);
    t.map_host_loopback4 = {};
    CHECK(outbound(t, a4(1), 80).address == a4(10));
}

TEST_CASE("without mappings every destination stays what it is")
{
    for (const auto& to : {a4(1), a4(2), a4(3), a6(1), ip_address{}, ip_address::v4(0), loopback4, loopback6})
        for (const auto port : {std::uint16_t{53}, std::uint16_t{80}})
            CHECK(outbound(translation{}, to, port).address == to);
}

TEST_CASE("a mapping of one family leaves the other alone")
{
    auto t = everything();
    t.map_host_loopback4 = {};
    CHECK(outbound(t, a4(1), 80).address == a4(1));
    CHECK(outbound(t, a6(1), 80).address == loopback6);
}

TEST_CASE("the source that the guest sees, row by row")
{
    const auto t = everything();
    struct row {
        const char* what;
        ip_address peer, seen;
        std::optional<ip_address> expected;
    };
    const row rows[] = {
        {"the host's loopback is the mapped address", loopback4, a4(10), a4(1)},
        {"the host's IPv6 loopback likewise", loopback6, a6(0x10), a6(1)},
        {"any other loopback address is ours", ip_address::v4(127, 0, 0, 53), a4(10), a4(1)},
        {"the address that the guest was given is the mapped one", a4(10), a4(10), a4(2)},
        {"in IPv6 likewise", a6(0x10), a6(0x10), a6(2)},
        {"also when the guest uses another", a4(10), a4(11), a4(2)},
        {"the address that the guest uses is ours", a4(11), a4(11), a4(1)},
        {"in IPv6 our link-local one", a6(0x11), a6(0x11), router6},
        {"a source of zeroes is ours", ip_address::v4(0), a4(10), a4(1)},
        {"in IPv6 too", ip_address{}, a6(0x10), router6},
        {"a neighbour of the host is itself", a4(77), a4(10), a4(77)},
        {"somebody far away is himself", ip_address::v4(8, 8, 8, 8), a4(10), ip_address::v4(8, 8, 8, 8)},
        {"in IPv6 too", a6(0x77), a6(0x10), a6(0x77)},
        {"a link-local peer too", ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, 9}), a6(0x10),
         ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, 9})},
    };
    for (const auto& r : rows) {
        INFO(r.what);
        CHECK(inbound_source(t, r.peer, r.seen) == r.expected);
    }
}

TEST_CASE("without mappings, what the guest cannot reach comes from us")
{
    auto t = everything();
    t.map_host_loopback4 = t.map_host_loopback6 = t.map_guest_addr4 = t.map_guest_addr6 = {};
    CHECK(inbound_source(t, loopback4, a4(10)) == a4(1));
    CHECK(inbound_source(t, loopback6, a6(0x10)) == router6);
    CHECK(inbound_source(t, a4(10), a4(10)) == a4(1));
    CHECK(inbound_source(t, a6(0x10), a6(0x10)) == router6);
}

TEST_CASE("if we have no address either, the guest cannot be told who is there")
{
    auto t = everything();
    t.map_host_loopback4 = t.our_tap4 = {};
    CHECK(inbound_source(t, loopback4, a4(10)) == std::nullopt);
    CHECK(inbound_source(t, ip_address::v4(8, 8, 8, 8), a4(10)) == ip_address::v4(8, 8, 8, 8));
}
