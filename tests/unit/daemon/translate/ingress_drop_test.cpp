// Whoever watches drops finds the frame at hand that was dropped, also where many are dealt with together.
#include "tests/unit/daemon/translate/ingress_world.hpp"

#include <algorithm>

using namespace tapioca;
using namespace tapioca::test;

namespace {

struct watched_world : ingress_world, report::drop_watcher {
    struct drop {
        drop_reason why;
        std::uint64_t count;
        std::vector<octet_vector> at_hand;
    };
    std::vector<drop> drops;

    explicit watched_world(const flow_limits& limits = {}) : ingress_world(limits) { counters->tell_drops(this); }
    void dropped(drop_reason why, std::uint64_t n) noexcept override
    {
        drop d{why, n, {}};
        for (const auto* each : plane.common().at_hand)
            if (each->whole != nullptr)
                d.at_hand.emplace_back(each->whole->octets.begin(), each->whole->octets.end());
        drops.push_back(std::move(d));
    }
    /// The only frame that was dropped for that reason.
    octet_vector dropped_for(drop_reason why)
    {
        REQUIRE(std::ranges::count(drops, why, &drop::why) == 1);
        const auto& d = *std::ranges::find(drops, why, &drop::why);
        CHECK(d.count == 1);
        REQUIRE(d.at_hand.size() == 1);
        return d.at_hand.front();
    }
};

const auto tcp_key = key_between(guest4, remote4, wire::protocol_tcp, 80);
const auto udp_key = key_between(guest4, gateway4, wire::protocol_udp, 9);

/// The length of the UDP header is wrong, and nothing before it.
octet_vector broken_datagram()
{
    auto frame = datagram(udp_key, hex("01"));
    frame[14 + 20 + 5] = 7;
    return frame;
}

octet_vector broken_segment()
{
    auto frame = segment(tcp_key);
    frame[14 + 20 + 12] = 0x10; // its header has four octets
    return frame;
}

} // namespace

TEST_CASE("a frame that nobody understands is at hand when it is dropped, and nothing is afterwards")
{
    watched_world w;
    auto cut = segment(tcp_key), other = segment(tcp_key);
    cut.resize(30);
    other[0] = 0x52;
    (void)w.process({cut, other, segment(tcp_key)});
    CHECK(w.dropped_for(drop_reason::truncated) == cut);
    CHECK(w.dropped_for(drop_reason::other_station) == other);
    CHECK(w.plane.common().at_hand.empty());
}

TEST_CASE("one of several frames of a flow is at hand alone")
{
    watched_world w;
    const auto datagrams = std::vector{datagram(udp_key, hex("00")), broken_datagram(), datagram(udp_key, hex("02"))};
    (void)w.process(datagrams);
    CHECK(w.dropped_for(drop_reason::bad_length) == datagrams[1]);
    (void)w.process({segment(tcp_key), broken_segment(), segment(tcp_key)});
    CHECK(w.dropped_for(drop_reason::bad_header_length) == broken_segment());
}

TEST_CASE("what is switched off is at hand with all frames that are dropped together")
{
    watched_world w;
    w.config.udp = false;
    const std::vector frames{datagram(udp_key, hex("00")), datagram(udp_key, hex("01"))};
    (void)w.process(frames);
    REQUIRE(w.drops.size() == 1);
    CHECK(w.drops[0].count == 2);
    CHECK(w.drops[0].at_hand == frames);
}

TEST_CASE("a frame that another worker has no room for is at hand")
{
    watched_world w;
    w.other.owns = [](std::uint64_t) { return true; };
    w.other.accepts_data = false;
    (void)w.process({segment(tcp_key)});
    CHECK(w.dropped_for(drop_reason::mailbox_full) == segment(tcp_key));
}

TEST_CASE("fragments that make room for others are not at hand")
{
    watched_world w{{.reassembly = reassembler::slot_size}};
    const octets upper(32);
    for (const std::uint16_t identification : {std::uint16_t{1}, std::uint16_t{2}})
        (void)w.process({in_two(tcp_key, wire::protocol_tcp, upper, 16, identification)[0]});
    const auto evicted = std::ranges::find(w.drops, drop_reason::fragment_no_memory, &watched_world::drop::why);
    REQUIRE(evicted != w.drops.end());
    CHECK(evicted->at_hand.empty());
}
