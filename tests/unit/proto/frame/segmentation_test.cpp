#include "proto/frame/segmentation.hpp"

#include "proto/frame/classify.hpp"
#include "proto/frame/emit.hpp"
#include "proto/wire/tcp.hpp"
#include "proto/wire/udp.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"

#include <vector>

using namespace tapioca;

namespace {

constexpr link_ends ends{{{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 0, 2}}};

flow_key key_of(ip_family family, octet protocol)
{
    if (family == ip_family::ipv4)
        return {ip_address::v4(192, 0, 2, 10), ip_address::v4(198, 51, 100, 7), std::uint16_t{40000}, std::uint16_t{443},
                protocol};
    return {ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10}), ip_address::v6({0x2001, 0xdb8, 1, 0, 0, 0, 0, 7}),
            std::uint16_t{40000}, std::uint16_t{443}, protocol};
}

vectors cpu() { return __builtin_cpu_supports("avx2") ? vectors::avx2 : vectors::none; }

/// The frames that a super-frame with `payload` octets becomes.
template <class Emit>
std::vector<test::octets> cut(std::size_t payload, Emit emit)
{
    test::octets buffer(most_header_octets + payload);
    octet* body = buffer.data() + most_header_octets;
    for (std::size_t i = 0; i < payload; ++i)
        body[i] = static_cast<octet>(i * 7 + 1);
    wire::virtio_net_header vnet;
    const std::size_t headers = emit(body, vnet);
    std::vector<test::octets> frames;
    segmenter segments{{body - headers, headers}, {body, payload}, vnet, cpu()};
    while (!segments.done()) {
        test::octets frame(segments.next_length());
        REQUIRE(segments.next(frame.data()) == frame.size());
        frames.push_back(std::move(frame));
    }
    return frames;
}

bool sums_up(const packet& p, octet protocol)
{
    return checksum_of(pseudo_header_sum(p.source, p.destination, protocol, static_cast<std::uint32_t>(p.l4.size())) +
                       ones_sum(p.l4)) == 0;
}

} // namespace

TEST_CASE("octets are copied and summed in one pass, with vectors as without, at every length")
{
    test::octets from(400);
    for (std::size_t i = 0; i < from.size(); ++i)
        from[i] = static_cast<octet>(i * 151 + 200);
    for (std::size_t start = 0; start < 3; ++start)
        for (std::size_t length = 0; length + start <= from.size(); ++length) {
            const bytes_view piece{from.data() + start, length};
            for (const auto with : {vectors::none, cpu()}) {
                test::octets to(length + 1, 0xee);
                REQUIRE(folded(copy_and_sum(to.data(), piece, with)) == folded(ones_sum(piece)));
                REQUIRE(to.back() == 0xee);
                to.pop_back();
                REQUIRE(to == test::copy(piece));
            }
        }
}

TEST_CASE("a sum of many large words does not lose its carries")
{
    const test::octets ones(65535, 0xff);
    test::octets to(ones.size());
    for (const auto with : {vectors::none, cpu()})
        CHECK(folded(copy_and_sum(to.data(), ones, with)) == folded(ones_sum(ones)));
}

TEST_CASE("a TCP super-frame becomes segments whose sequence, lengths and checksums are right")
{
    for (const auto family : {ip_family::ipv4, ip_family::ipv6})
        for (const std::size_t payload : {0U, 1U, 1460U, 1461U, 2920U, 14601U, 61440U, 70000U, 262000U}) {
            const auto key = key_of(family, wire::protocol_tcp);
            const auto frames = cut(payload, [&](octet* body, auto& vnet) {
                return emit_tcp(body, ends, key,
                                {.seq = seq_number{0xffffff00U},
                                 .ack = seq_number{9},
                                 .flags = wire::tcp_ack | wire::tcp_psh,
                                 .window = 77,
                                 .payload = static_cast<std::uint32_t>(payload),
                                 .mss = 1460},
                                vnet);
            });
            REQUIRE(frames.size() == std::max<std::size_t>((payload + 1459) / 1460, 1));
            std::size_t at = 0;
            for (const auto& frame : frames) {
                const auto p = classify(frame);
                REQUIRE(p);
                REQUIRE(sums_up(*p, wire::protocol_tcp));
                if (family == ip_family::ipv4)
                    REQUIRE(checksum_of(ones_sum(p->l3.first(20))) == 0);
                const auto s = wire::parse_tcp(p->l4);
                REQUIRE(s);
                CHECK(s->seq == seq_number{0xffffff00U} + static_cast<std::uint32_t>(at));
                CHECK(s->window == 77);
                const bool last = &frame == &frames.back();
                CHECK(s->has(wire::tcp_psh) == last);
                CHECK(s->payload.size() == (last ? payload - at : 1460));
                for (std::size_t i = 0; i < s->payload.size(); ++i)
                    REQUIRE(s->payload[i] == static_cast<octet>((at + i) * 7 + 1));
                at += s->payload.size();
            }
            CHECK(at == payload);
        }
}

TEST_CASE("a UDP super-frame becomes datagrams, and one that is none stays whole")
{
    for (const auto family : {ip_family::ipv4, ip_family::ipv6})
        for (const std::uint16_t segment : {std::uint16_t{0}, std::uint16_t{100}, std::uint16_t{1000}}) {
            const auto key = key_of(family, wire::protocol_udp);
            const auto frames = cut(1050, [&](octet* body, auto& vnet) {
                return emit_udp(body, ends, key, {.payload = 1050, .segment = segment}, vnet);
            });
            REQUIRE(frames.size() == (segment == 0 ? 1U : segment == 100 ? 11U : 2U));
            std::size_t octets = 0;
            for (const auto& frame : frames) {
                const auto p = classify(frame);
                REQUIRE(p);
                REQUIRE(sums_up(*p, wire::protocol_udp));
                const auto d = wire::parse_udp(p->l4);
                REQUIRE(d);
                octets += d->payload.size();
            }
            CHECK(octets == 1050);
        }
}

TEST_CASE("datagrams of a super-frame that may be fragmented have each an identification of its own")
{
    const auto frames_of = [](std::optional<std::uint16_t> identification) {
        const auto key = key_of(ip_family::ipv4, wire::protocol_udp);
        return cut(1050, [&](octet* body, auto& vnet) {
            return emit_udp(body, ends, key, {.payload = 1050, .segment = 100, .identification = identification}, vnet);
        });
    };
    std::uint16_t expected = 0xfffd; // it wraps
    for (const auto& frame : frames_of(expected)) {
        const auto ip = wire::parse_ipv4(bytes_view{frame}.subspan(14));
        REQUIRE(ip);
        CHECK(ip->identification == expected++);
        CHECK(!ip->dont_fragment);
        CHECK(checksum_of(ones_sum(bytes_view{frame}.subspan(14, 20))) == 0);
    }
    CHECK(expected == 8);
    for (const auto& frame : frames_of(std::nullopt))
        CHECK(wire::parse_ipv4(bytes_view{frame}.subspan(14))->identification == 0);
}
