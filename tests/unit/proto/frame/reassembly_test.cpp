#include "proto/frame/reassembly.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

using namespace tapioca;
using namespace std::chrono_literals;

namespace {

const auto guest4 = ip_address::v4(192, 0, 2, 10);
const auto other4 = ip_address::v4(192, 0, 2, 11);
const auto remote4 = ip_address::v4(198, 51, 100, 7);
const auto guest6 = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 10});
const auto remote6 = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 7});

std::vector<octet> pattern(std::size_t size)
{
    std::vector<octet> octets(size);
    for (std::size_t i = 0; i < size; ++i)
        octets[i] = static_cast<octet>(i * 7 + i / 256);
    return octets;
}

struct bench {
    std::vector<octet> memory;
    reassembler frags;
    instant now{1000s};
    std::vector<octet> datagram = pattern(3000);

    explicit bench(std::size_t slots = 4) : memory(slots * reassembler::slot_size, 0xee), frags(memory) {}

    parsed<reassembled> v4(std::size_t begin, std::size_t end, bool more, std::uint16_t id = 1, const ip_address& source = guest4)
    {
        wire::ipv4_packet p;
        p.source = source;
        p.destination = remote4;
        p.identification = id;
        p.protocol = wire::protocol_udp;
        p.header_length = 20;
        p.ttl = begin == 0 ? 64 : 63;
        p.tos = begin == 0 ? 0x10 : 0;
        p.fragment_offset = static_cast<std::uint16_t>(begin);
        p.more_fragments = more;
        p.payload = bytes_view{datagram}.subspan(begin, end - begin);
        return frags.add(p, now);
    }

    parsed<reassembled> v6(std::size_t begin, std::size_t end, bool more, octet protocol = wire::protocol_udp)
    {
        wire::ipv6_packet p;
        p.source = guest6;
        p.destination = remote6;
        p.identification = 0x01020304;
        p.protocol = protocol;
        p.header_length = 48;
        p.hop_limit = 64;
        p.fragment = true;
        p.fragment_offset = static_cast<std::uint16_t>(begin);
        p.more_fragments = more;
        p.payload = bytes_view{datagram}.subspan(begin, end - begin);
        return frags.add(p, now);
    }
};

bool holds(const parsed<reassembled>& r, const std::vector<octet>& octets)
{
    return r && std::equal(r->payload.begin(), r->payload.end(), octets.begin(), octets.end());
}

} // namespace

TEST_CASE("a packet that is no fragment passes through")
{
    bench b;
    const auto r = b.v4(0, 3000, false);
    REQUIRE(holds(r, b.datagram));
    CHECK(r->payload.data() == b.datagram.data());
    CHECK(b.frags.held() == 0);
    CHECK(b.frags.next_expiry() == instant::max());
}

TEST_CASE("fragments in every order make the datagram, with the header of the first")
{
    const std::vector<std::pair<std::size_t, std::size_t>> parts{{0, 1480}, {1480, 2000}, {2000, 2960}, {2960, 3000}};
    std::vector<std::size_t> order(parts.size());
    std::iota(order.begin(), order.end(), 0);
    bench b;
    do {
        parsed<reassembled> r = drop_reason::truncated;
        for (const auto i : order) {
            REQUIRE(r.why() != drop_reason::fragment_overlap);
            r = b.v4(parts[i].first, parts[i].second, i != 3);
        }
        REQUIRE(holds(r, b.datagram));
        CHECK(r->ttl == 64);
        CHECK(r->tos == 0x10);
        CHECK(r->protocol == wire::protocol_udp);
        CHECK(r->source == guest4);
        CHECK(b.frags.held() == 0);
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("datagrams with another identification or source are kept apart")
{
    bench b;
    CHECK(b.v4(0, 1480, true, 1).why() == drop_reason::fragment_held);
    CHECK(b.v4(1480, 3000, false, 2).why() == drop_reason::fragment_held);
    CHECK(b.v4(1480, 3000, false, 1, other4).why() == drop_reason::fragment_held);
    CHECK(b.frags.held() == 3);
    CHECK(holds(b.v4(1480, 3000, false, 1), b.datagram));
    CHECK(b.frags.held() == 2);
}

TEST_CASE("a copy of a fragment is ignored")
{
    bench b;
    CHECK(b.v4(0, 1480, true).why() == drop_reason::fragment_held);
    CHECK(b.v4(0, 1480, true).why() == drop_reason::fragment_held);
    CHECK(b.v4(2000, 3000, false).why() == drop_reason::fragment_held);
    CHECK(b.v4(2000, 3000, false).why() == drop_reason::fragment_held);
    CHECK(holds(b.v4(1480, 2000, true), b.datagram));
}

TEST_CASE("RFC 5722: an overlap discards the datagram and what is still to come of it")
{
    bench b;
    CHECK(b.v4(0, 1480, true).why() == drop_reason::fragment_held);
    CHECK(b.v4(1472, 2000, true).why() == drop_reason::fragment_overlap);
    CHECK(b.v4(1480, 3000, false).why() == drop_reason::fragment_overlap);
    CHECK(b.frags.expire(b.now + 30s) == 0); // it was counted when it overlapped
    CHECK(b.frags.held() == 0);

    CHECK(b.v6(0, 1480, true).why() == drop_reason::fragment_held);
    b.datagram[100] ^= 1;
    CHECK(b.v6(0, 1480, true).why() == drop_reason::fragment_overlap);
    CHECK(b.v6(1480, 3000, false).why() == drop_reason::fragment_overlap);
}

TEST_CASE("fragments that contradict each other about the end discard the datagram")
{
    bench b;
    CHECK(b.v4(1480, 2000, false, 1).why() == drop_reason::fragment_held);
    CHECK(b.v4(2000, 3000, false, 1).why() == drop_reason::fragment_overlap);
    CHECK(b.v4(1480, 2000, false, 2).why() == drop_reason::fragment_held);
    CHECK(b.v4(2000, 2800, true, 2).why() == drop_reason::fragment_overlap);
    CHECK(b.v4(2000, 2800, true, 3).why() == drop_reason::fragment_held);
    CHECK(b.v4(800, 2000, false, 3).why() == drop_reason::fragment_overlap);
    CHECK(b.v4(800, 1600, true, 4).why() == drop_reason::fragment_held);
    CHECK(b.v4(800, 1600, false, 4).why() == drop_reason::fragment_overlap);
}

TEST_CASE("fragments of bad size are dropped alone")
{
    bench b;
    CHECK(b.v4(0, 1480, true).why() == drop_reason::fragment_held);
    CHECK(b.v4(1480, 1485, true).why() == drop_reason::fragment_bad);
    CHECK(b.v4(1480, 1480, false).why() == drop_reason::fragment_bad);
    CHECK(holds(b.v4(1480, 3000, false), b.datagram));
}

TEST_CASE("datagrams beyond 65535 octets with their header are dropped, the largest possible one is not")
{
    bench b;
    b.datagram = pattern(66000);
    CHECK(b.v4(65512, 65516, false).why() == drop_reason::fragment_too_large);
    CHECK(b.v6(65528, 65536, false).why() == drop_reason::fragment_too_large);
    CHECK(b.frags.held() == 0);
    CHECK(b.v4(0, 65512, true).why() == drop_reason::fragment_held);
    const auto largest4 = b.v4(65512, 65515, false);
    REQUIRE(largest4);
    CHECK(largest4->payload.size() == 65515);
    CHECK(b.v6(65528, 65535, false).why() == drop_reason::fragment_held);
    const auto largest6 = b.v6(0, 65528, true);
    REQUIRE(largest6);
    CHECK(std::equal(largest6->payload.begin(), largest6->payload.end(), b.datagram.begin()));
    CHECK(largest6->payload.size() == 65535);
}

TEST_CASE("time runs from the first fragment: 30 s for IPv4, 60 s for IPv6")
{
    bench b;
    CHECK(b.v4(0, 1480, true).why() == drop_reason::fragment_held);
    CHECK(b.v6(0, 1480, true).why() == drop_reason::fragment_held);
    b.now += 10s;
    CHECK(b.v4(1480, 2000, true).why() == drop_reason::fragment_held);
    CHECK(b.frags.next_expiry() == instant{1030s});
    CHECK(b.frags.expire(instant{1030s} - 1ns) == 0);
    CHECK(b.frags.expire(instant{1030s}) == 1);
    CHECK(b.frags.next_expiry() == instant{1060s});
    CHECK(b.frags.expire(instant{1060s}) == 1);
    CHECK(b.frags.held() == 0);
}

TEST_CASE("the oldest datagram makes room, and one source never takes more than half")
{
    bench b{4};
    CHECK(b.v4(0, 1480, true, 9, other4).why() == drop_reason::fragment_held);
    for (std::uint16_t id = 1; id <= 3; ++id) {
        b.now += 1s;
        CHECK(b.v4(0, 1480, true, id).why() == drop_reason::fragment_held);
    }
    CHECK(b.frags.held() == 3); // the guest's first was displaced by its third
    CHECK(b.frags.take_evicted() == 1);
    CHECK(b.frags.take_evicted() == 0);
    CHECK(holds(b.v4(1480, 3000, false, 9, other4), b.datagram));
    CHECK(holds(b.v4(1480, 3000, false, 2), b.datagram));
    CHECK(holds(b.v4(1480, 3000, false, 3), b.datagram));
    CHECK(b.v4(1480, 3000, false, 1).why() == drop_reason::fragment_held);
}

TEST_CASE("a full pool displaces the oldest of all sources")
{
    bench b{2};
    CHECK(b.v4(0, 1480, true, 1, guest4).why() == drop_reason::fragment_held);
    b.now += 1s;
    CHECK(b.v4(0, 1480, true, 1, other4).why() == drop_reason::fragment_held);
    CHECK(b.v4(0, 1480, true, 1, ip_address::v4(192, 0, 2, 12)).why() == drop_reason::fragment_held);
    CHECK(b.frags.take_evicted() == 1);
    CHECK(b.v4(1480, 3000, false, 1, other4));
}

TEST_CASE("without memory nothing is held")
{
    reassembler none{{}};
    wire::ipv4_packet p;
    const std::array<octet, 8> payload{};
    p.header_length = 20;
    p.more_fragments = true;
    p.payload = payload;
    CHECK(none.add(p, instant{}).why() == drop_reason::fragment_no_memory);
    p.more_fragments = false;
    CHECK(none.add(p, instant{}));
}

TEST_CASE("extension headers behind the fragment header are walked in the whole datagram")
{
    bench b;
    const std::vector<octet> chain{wire::protocol_udp, 0, 1, 4, 0, 0, 0, 0};
    std::copy(chain.begin(), chain.end(), b.datagram.begin());
    CHECK(b.v6(1480, 3000, false, wire::protocol_destination_options).why() == drop_reason::fragment_held);
    const auto r = b.v6(0, 1480, true, wire::protocol_destination_options);
    REQUIRE(r);
    CHECK(r->protocol == wire::protocol_udp);
    CHECK(r->payload.size() == 2992);
    CHECK(r->payload[0] == b.datagram[8]);
    CHECK(!r->dont_fragment);
}

TEST_CASE("RFC 7112: a first fragment without the whole header chain is dropped")
{
    bench b;
    b.datagram = {wire::protocol_tcp, 0, 1, 4, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
    CHECK(b.v6(0, 8, true, wire::protocol_destination_options).why() == drop_reason::truncated);
    CHECK(b.v6(0, 16, true, wire::protocol_destination_options).why() == drop_reason::truncated);
    CHECK(b.v6(0, 16, true, wire::protocol_fragment).why() == drop_reason::extension_header);
    CHECK(b.v6(0, 16, true, wire::protocol_hop_by_hop).why() == drop_reason::extension_header);
    CHECK(b.v6(0, 16, true, wire::protocol_no_next).why() == drop_reason::extension_header);
    CHECK(b.frags.held() == 0);
}
