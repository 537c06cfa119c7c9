#include "proto/icmp/too_big.hpp"

#include "proto/frame/emit.hpp"
#include "proto/frame/fragment.hpp"
#include "proto/wire/icmp.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"

using namespace tapioca;

namespace {

constexpr link_ends ends{{{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 0, 2}}};
constexpr auto guest4 = ip_address::v4(10, 88, 0, 2), remote4 = ip_address::v4(198, 51, 100, 7),
               router4 = ip_address::v4(10, 88, 0, 1);
constexpr auto guest6 = ip_address::v6({0xfd88, 0, 0, 0, 0, 0, 0, 2}),
               remote6 = ip_address::v6({0x2001, 0xdb8, 9, 0, 0, 0, 0, 7}),
               router6 = ip_address::v6({0xfd88, 0, 0, 0, 0, 0, 0, 1});

flow_key key_of(bool v4, octet protocol, std::uint16_t guest_port = 40'000, std::uint16_t remote_port = 443)
{
    return {v4 ? guest4 : guest6, v4 ? remote4 : remote6, guest_port, remote_port, protocol};
}

/// A frame in front of whose headers there is room.
template <class Emit>
test::octets emitted(std::size_t payload, Emit emit)
{
    test::octets room(most_header_octets + payload);
    octet* const body = room.data() + most_header_octets;
    const std::size_t headers = emit(body);
    return {body - headers, body + payload};
}

/// What a router behind the guest says of a frame of ours: it quotes as much as its family asks for.
packet said_of(bool v4, const test::octets& frame, std::uint32_t mtu, test::octets& message)
{
    const auto quoted = bytes_view{frame}.subspan(14);
    const auto part = quoted.first(std::min<std::size_t>(quoted.size(), v4 ? 28 : 1232));
    wire::icmp_header h{};
    h.type = v4 ? wire::icmpv4_unreachable : wire::icmpv6_packet_too_big;
    h.code = v4 ? wire::icmpv4_code_fragmentation_needed : octet{0};
    h.identifier = static_cast<std::uint16_t>(mtu >> 16);
    h.sequence = static_cast<std::uint16_t>(mtu);
    message.assign(sizeof h, 0);
    message.insert(message.end(), part.begin(), part.end());
    packet p;
    p.kind = v4 ? packet_kind::icmp : packet_kind::icmpv6;
    p.source = v4 ? router4 : router6;
    p.destination = v4 ? remote4 : remote6;
    const auto pseudo =
        v4 ? 0 : pseudo_header_sum(p.source, p.destination, wire::protocol_icmpv6, static_cast<std::uint32_t>(message.size()));
    h.checksum = checksum_of(pseudo + ones_sum(octets_of(h)) + ones_sum(part));
    std::memcpy(message.data(), &h, sizeof h);
    p.l4 = message;
    return p;
}

test::octets tcp_frame(bool v4)
{
    wire::virtio_net_header vnet;
    return emitted(9000, [&](octet* body) {
        return emit_tcp(body, ends, key_of(v4, wire::protocol_tcp), {.seq = seq_number{77'000}, .ack = {}, .payload = 9000},
                        vnet);
    });
}

} // namespace

TEST_CASE("a segment that was too big names its connection and its number, and the message the MTU")
{
    for (const bool v4 : {true, false}) {
        test::octets message;
        const auto got = parse_too_big(said_of(v4, tcp_frame(v4), 1400, message));
        REQUIRE(got);
        CHECK(got->key == key_of(v4, wire::protocol_tcp));
        CHECK(got->seq == seq_number{77'000});
        CHECK(got->mtu == 1400);
    }
}

TEST_CASE("a datagram and an echo reply that were too big name their flows, whole or in fragments")
{
    for (const bool v4 : {true, false}) {
        test::octets message;
        wire::virtio_net_header vnet;
        const auto udp = key_of(v4, wire::protocol_udp);
        const auto whole = emitted(4000, [&](octet* body) { return emit_udp(body, ends, udp, {.payload = 4000}, vnet); });
        CHECK(parse_too_big(said_of(v4, whole, 1500, message))->key == udp);

        wire::icmp_header reply{};
        reply.type = v4 ? wire::icmpv4_echo_reply : wire::icmpv6_echo_reply;
        reply.identifier = 4711;
        auto echo = key_of(v4, v4 ? wire::protocol_icmp : wire::protocol_icmpv6, 4711, 0);
        outgoing_datagram d;
        d.source = echo.remote;
        d.destination = echo.guest;
        d.protocol = echo.protocol;
        d.upper_header = octets_of(reply);
        d.payload_length = 5000;
        fragmenter split{d, 3000};
        const auto first = split.next();
        test::octets fragment(first->headers.begin(), first->headers.end());
        fragment.resize(fragment.size() + first->length);
        const auto got = parse_too_big(said_of(v4, fragment, 1500, message));
        REQUIRE(got);
        CHECK(got->key == echo);
        const auto second = split.next();
        test::octets rest(second->headers.begin(), second->headers.end());
        rest.resize(rest.size() + second->length);
        CHECK(parse_too_big(said_of(v4, rest, 1500, message)).why() == drop_reason::bad_type); // whose it is, nobody can say
    }
}

TEST_CASE("what is damaged, goes to somebody else or quotes something else says nothing of a path")
{
    for (const bool v4 : {true, false}) {
        test::octets message;
        auto p = said_of(v4, tcp_frame(v4), 1400, message);
        message.back() ^= 1;
        CHECK(parse_too_big(p).why() == drop_reason::bad_checksum);
        message.back() ^= 1;
        CHECK(parse_too_big(p));
        p.destination = v4 ? router4 : router6;
        CHECK(parse_too_big(p).why() == drop_reason::not_for_us);
        p = said_of(v4, tcp_frame(v4), 1400, message);
        message[0] = v4 ? wire::icmpv4_time_exceeded : wire::icmpv6_time_exceeded;
        CHECK(parse_too_big(p).why() == drop_reason::bad_type);
        for (std::size_t length = 0; length < 8U + (v4 ? 28U : 48U); ++length) {
            p.l4 = bytes_view{message}.first(length);
            CHECK(!parse_too_big(p));
        }
        const auto request = emitted(100, [&](octet* body) {
            body[0] = v4 ? wire::icmpv4_echo_request : wire::icmpv6_echo_request;
            const auto key = key_of(v4, v4 ? wire::protocol_icmp : wire::protocol_icmpv6);
            return emit_ip(body, ends, key.remote, key.guest, {.protocol = key.protocol}, 100);
        });
        CHECK(parse_too_big(said_of(v4, request, 1400, message)).why() == drop_reason::bad_type);
    }
}

TEST_CASE("an IPv6 path cannot be narrower than 1280, while IPv4 routers may not know")
{
    test::octets message;
    CHECK(parse_too_big(said_of(false, tcp_frame(false), 1279, message)).why() == drop_reason::bad_length);
    CHECK(parse_too_big(said_of(false, tcp_frame(false), 1280, message))->mtu == 1280);
    CHECK(parse_too_big(said_of(false, tcp_frame(false), 0x20000, message))->mtu == 0x20000);
    CHECK(parse_too_big(said_of(true, tcp_frame(true), 0, message))->mtu == 0);
}
