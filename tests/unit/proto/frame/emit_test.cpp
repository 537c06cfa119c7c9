#include "proto/frame/classify.hpp"
#include "proto/frame/emit.hpp"
#include "proto/wire/tcp.hpp"
#include "proto/wire/udp.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"

#include <cstddef>

using namespace tapioca;

namespace {

constexpr link_ends ends{{{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 0, 2}}};

flow_key key4(octet protocol)
{
    return {ip_address::v4(192, 0, 2, 10), ip_address::v4(198, 51, 100, 7), std::uint16_t{40000}, std::uint16_t{443}, protocol};
}
flow_key key6(octet protocol)
{
    return {ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10}), ip_address::v6({0x2001, 0xdb8, 1, 0, 0, 0, 0, 7}),
            std::uint16_t{40000}, std::uint16_t{443}, protocol};
}

struct emitted {
    test::octets frame;
    wire::virtio_net_header vnet;
};

/// Emits in front of `payload` octets inside a buffer whose rim must stay untouched.
template <class Emit>
emitted emit_before(std::size_t payload, Emit emit)
{
    constexpr octet rim = 0xee;
    test::octets buffer(most_header_octets + 8 + payload, rim);
    octet* body = buffer.data() + most_header_octets + 8;
    for (std::size_t i = 0; i < payload; ++i)
        body[i] = static_cast<octet>(i * 7 + 1);
    emitted e;
    const std::size_t headers = emit(body, e.vnet);
    REQUIRE(headers <= most_header_octets);
    for (const auto* at = buffer.data(); at != body - headers; ++at)
        REQUIRE(*at == rim);
    e.frame.assign(body - headers, body + payload);
    return e;
}

emitted tcp_frame(const flow_key& key, const tcp_emission& tcp)
{
    return emit_before(tcp.payload, [&](octet* body, auto& vnet) { return emit_tcp(body, ends, key, tcp, vnet); });
}

emitted udp_frame(const flow_key& key, const udp_emission& udp)
{
    return emit_before(udp.payload, [&](octet* body, auto& vnet) { return emit_udp(body, ends, key, udp, vnet); });
}

/// The receiver's view: a correct checksum makes the sum of segment and pseudo-header zero.
bool sums_up(const packet& p, octet protocol)
{
    return checksum_of(pseudo_header_sum(p.source, p.destination, protocol, static_cast<std::uint32_t>(p.l4.size())) +
                       ones_sum(p.l4)) == 0;
}

} // namespace

TEST_CASE("an emitted segment parses back to what it was made from, and its completed checksum is right")
{
    for (const auto& key : {key4(6), key6(6)})
        for (const std::uint32_t payload : {0U, 1U, 2U, 3U, 535U, 536U, 1460U, 9001U}) {
            auto e = tcp_frame(key, {.seq = seq_number{0xfffffff0U},
                                     .ack = seq_number{77},
                                     .flags = wire::tcp_ack | wire::tcp_psh,
                                     .window = 1234,
                                     .payload = payload});
            complete_checksum(e.frame, e.vnet);
            const auto p = classify(e.frame);
            REQUIRE(p);
            CHECK(p->kind == packet_kind::tcp);
            CHECK(p->source == key.remote);
            CHECK(p->destination == key.guest);
            CHECK(p->source_mac == ends.ours);
            CHECK(p->ttl == 255);
            CHECK(p->dont_fragment);
            CHECK(sums_up(*p, wire::protocol_tcp));
            if (key.guest.is_v4())
                CHECK(checksum_of(ones_sum(p->l3.first(20))) == 0);
            const auto s = wire::parse_tcp(p->l4);
            REQUIRE(s);
            CHECK(s->source_port == 443);
            CHECK(s->destination_port == 40000);
            CHECK(s->seq == seq_number{0xfffffff0U});
            CHECK(s->ack == seq_number{77});
            CHECK(s->window == 1234);
            CHECK(s->payload.size() == payload);
            CHECK(e.vnet.gso_type == wire::vnet_gso_none);
        }
}

TEST_CASE("a partial checksum is the pseudo-header's sum, and the virtio-net header says where the rest belongs")
{
    for (const auto& key : {key4(6), key6(6)}) {
        const auto e = tcp_frame(key, {.seq = {}, .ack = {}, .flags = wire::tcp_ack, .payload = 100});
        const std::size_t ip = key.guest.is_v4() ? 34 : 54;
        CHECK(e.vnet.flags == wire::vnet_needs_csum);
        CHECK(e.vnet.csum_start == ip);
        CHECK(e.vnet.csum_offset == offsetof(wire::tcp_header, checksum));
        be16 field = 0;
        std::memcpy(&field, e.frame.data() + ip + offsetof(wire::tcp_header, checksum), 2);
        CHECK(field == folded(pseudo_header_sum(key.remote, key.guest, wire::protocol_tcp, 120)));
    }
}

TEST_CASE("a SYN carries maximum segment size and window scale, or the size alone, or nothing")
{
    auto with = tcp_frame(
        key4(6), {.seq = {}, .ack = {}, .flags = wire::tcp_syn, .window = 0xffff, .mss_option = 61440, .scale_option = octet{8}});
    complete_checksum(with.frame, with.vnet);
    const auto p = classify(with.frame);
    CHECK(sums_up(*p, wire::protocol_tcp));
    CHECK(test::copy(bytes_view{with.frame}.last(8)) == test::hex("0204f00001030308"));
    const auto s = wire::parse_tcp(p->l4);
    CHECK(s->mss == 61440);
    CHECK(s->window_scale == octet{8});

    const auto alone = tcp_frame(key4(6), {.seq = {}, .ack = {}, .flags = wire::tcp_syn, .mss_option = 536});
    CHECK(test::copy(bytes_view{alone.frame}.last(4)) == test::hex("02040218"));
    CHECK(wire::parse_tcp(classify(alone.frame)->l4)->window_scale == std::nullopt);
    CHECK(tcp_frame(key4(6), {.seq = {}, .ack = {}, .flags = wire::tcp_syn}).frame.size() == 54);
}

TEST_CASE("a payload beyond the segment size makes a super-frame of that size")
{
    for (const auto& key : {key4(6), key6(6)}) {
        const auto e = tcp_frame(key, {.seq = {}, .ack = {}, .flags = wire::tcp_ack, .payload = 14600, .mss = 1460});
        CHECK(e.vnet.gso_type == (key.guest.is_v4() ? wire::vnet_gso_tcpv4 : wire::vnet_gso_tcpv6));
        CHECK(e.vnet.gso_size == 1460);
        CHECK(e.vnet.header_length == (key.guest.is_v4() ? 54 : 74));
        const auto exact = tcp_frame(key, {.seq = {}, .ack = {}, .flags = wire::tcp_ack, .payload = 1460, .mss = 1460});
        CHECK(exact.vnet.gso_type == wire::vnet_gso_none);
        CHECK(exact.vnet.gso_size == 0);
    }
}

TEST_CASE("an emitted datagram parses back, runs become USO super-frames, and zero is never its checksum")
{
    for (const auto& key : {key4(17), key6(17)}) {
        auto e = udp_frame(key, {.payload = 301, .ttl = 7, .tos = 0xb8});
        complete_checksum(e.frame, e.vnet);
        const auto p = classify(e.frame);
        REQUIRE(p);
        CHECK(p->kind == packet_kind::udp);
        CHECK(p->ttl == 7);
        CHECK(p->tos == 0xb8);
        CHECK(sums_up(*p, wire::protocol_udp));
        CHECK(p->l4.size() == 309);

        const auto run = udp_frame(key, {.payload = 1000, .segment = 300});
        CHECK(run.vnet.gso_type == wire::vnet_gso_udp_l4);
        CHECK(run.vnet.gso_size == 300);
        CHECK(run.vnet.header_length == (key.guest.is_v4() ? 42 : 62));
    }
    // RFC 768: a sum of zero is sent as all ones, as zero means that there is none. Two octets can make any sum.
    int zeroes = 0;
    for (unsigned n = 0; n < 0x10000; ++n) {
        octet frame[10] = {0, 0, 0, 0, 0, 0, 0, 0, static_cast<octet>(n >> 8), static_cast<octet>(n)};
        wire::virtio_net_header vnet{.flags = wire::vnet_needs_csum, .csum_start = 0, .csum_offset = 6};
        complete_checksum(frame, vnet);
        zeroes += (frame[6] | frame[7]) == 0 ? 1 : 0;
    }
    CHECK(zeroes == 0);
}

TEST_CASE("an IPv4 packet with an identification may be fragmented, and one without may not")
{
    const auto datagram = [](std::optional<std::uint16_t> identification) {
        return udp_frame(key4(17), {.payload = 4000, .identification = identification}).frame;
    };
    const auto segment = [](std::optional<std::uint16_t> identification) {
        return tcp_frame(key4(6), {.seq = {}, .ack = {}, .payload = 512, .identification = identification}).frame;
    };
    for (const auto& frame : {datagram(0xfedc), segment(0xfedc)}) {
        const auto ip = wire::parse_ipv4(bytes_view{frame}.subspan(14));
        REQUIRE(ip);
        CHECK(!ip->dont_fragment);
        CHECK(!ip->more_fragments);
        CHECK(ip->fragment_offset == 0);
        CHECK(ip->identification == 0xfedc);
        CHECK(checksum_of(ones_sum(bytes_view{frame}.subspan(14, 20))) == 0);
    }
    for (const auto& frame : {datagram(std::nullopt), segment(std::nullopt)}) {
        const auto ip = wire::parse_ipv4(bytes_view{frame}.subspan(14));
        CHECK(ip->dont_fragment);
        CHECK(ip->identification == 0);
    }
    const auto v6 = udp_frame(key6(17), {.payload = 4000, .identification = std::uint16_t{7}}); // the header has no such field
    CHECK(v6.frame == udp_frame(key6(17), {.payload = 4000}).frame);
}

TEST_CASE("completing a checksum does nothing without the flag or outside the frame")
{
    octet frame[4] = {1, 2, 3, 4};
    complete_checksum(frame, {});
    complete_checksum(frame, {.flags = wire::vnet_needs_csum, .csum_start = 2, .csum_offset = 1});
    complete_checksum(frame, {.flags = wire::vnet_needs_csum, .csum_start = 0xffff, .csum_offset = 0xffff});
    CHECK(frame[0] == 1);
    CHECK(frame[3] == 4);
}

TEST_CASE("IP headers alone go in front of an upper layer with its lifetime and class")
{
    for (const auto& key : {key4(1), key6(58)}) {
        const auto e = emit_before(8, [&](octet* body, auto&) {
            return emit_ip(body, ends, key.remote, key.guest, {key.protocol, 33, 0x20}, 8);
        });
        const auto p = classify(e.frame);
        REQUIRE(p);
        CHECK(p->source == key.remote);
        CHECK(p->destination == key.guest);
        CHECK(p->ttl == 33);
        CHECK(p->tos == 0x20);
        CHECK(p->l4.size() == 8);
    }
}
