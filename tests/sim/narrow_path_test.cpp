// A link behind the guest that carries less than its own (RFC 1191, RFC 8201), in the middle of a connection.
#include "daemon/translate/to_guest.hpp"
#include "proto/responder/icmp_error.hpp"
#include "tests/sim/scenario.hpp"
#include "tests/support/reference_network.hpp"

using namespace tapioca;
using namespace tapioca::test;
using report::counter;

namespace {

constexpr std::uint16_t narrow = 1280;

/// What a router behind the guest says about a segment that was too big for the next link.
void complain(simulation& s, const conversation& c, seq_number quoted, std::uint16_t mtu = narrow)
{
    const auto& key = c.guest->key();
    icmp_error_request r{.our_mac = guest_mac, .guest_mac = s.config.net.our_mac};
    r.offender = key.guest.is_v4() ? ip_address::v4(10, 88, 0, 1) : ip_address::v6({0xfd88, 0, 0, 0, 0, 0, 0, 1});
    r.cause = too_big(key.guest.family(), mtu);
    r.protocol = wire::protocol_tcp;
    r.guest = {key.remote, key.remote_port};
    r.remote = {key.guest, key.guest_port};
    r.sequence = quoted.value();
    r.payload_length = 12;
    std::vector<octet> frame(1514);
    frame.resize(icmp_error(r, frame));
    REQUIRE_FALSE(frame.empty());
    s.inject(frame);
}

std::size_t fitting(bool v6) { return narrow - (v6 ? 60U : 40U); }

/// From now on segments that are too large are lost, and the router says so of each.
void narrow_link(simulation& s, conversation& c, bool v6)
{
    s.lose_to_guest = [&s, &c, v6](const wire::tcp_segment& segment) {
        if (segment.payload.size() <= fitting(v6))
            return false;
        s.after(100us, [&s, &c, seq = segment.seq] { complain(s, c, seq); });
        return true;
    };
}

simulation_options segmented(bool v6) { return {.v6 = v6, .split_frames = true, .guest = {.receive_buffer = 1 << 20}}; }

} // namespace

TEST_CASE("what a narrow path behind the guest does not let through is sent again in segments that fit, at once and once")
{
    for (const bool v6 : {false, true}) {
        simulation s{segmented(v6)};
        auto& c = established(s);
        c.peer.to_send = 100'000;
        s.run_for(100ms);
        narrow_link(s, c, v6);
        const auto before = s.now();
        segment_log log{s};
        c.peer.to_send += 1 << 20;
        REQUIRE(s.run_until([&] { return c.guest->received() == c.peer.to_send; }));
        CHECK(s.now() - before < 100ms);
        CHECK(s.count(counter::narrow_paths_learned) == 1);
        CHECK(s.count(counter::tcp_retransmits) == 1);
        CHECK(s.count(counter::tcp_timeouts) == 0);
        CHECK(c.guest->duplicates_received == 0);
        const auto large =
            std::count_if(log.all.begin(), log.all.end(), [&](const auto& each) { return each.s.payload.size() > fitting(v6); });
        CHECK(large > 0);
        CHECK(large < 1000); // no more than were on their way when the first complaint came
        converse_to_end(s, c, 0, 100'000);
    }
}

TEST_CASE("a path that is narrow from the start costs no timeout, and later connections know of it")
{
    for (const bool v6 : {false, true}) {
        simulation s{segmented(v6)};
        auto& first = established(s);
        narrow_link(s, first, v6);
        first.peer.to_send = 300'000;
        REQUIRE(s.run_until([&] { return first.guest->received() == 300'000; }, 1s));
        CHECK(s.count(counter::tcp_timeouts) == 0);
        auto& second = established(s);
        segment_log log{s};
        second.peer.to_send = 300'000;
        REQUIRE(s.run_until([&] { return second.guest->received() == 300'000; }, 1s));
        for (const auto& each : log.all)
            CHECK(each.s.payload.size() <= fitting(v6));
        CHECK(s.count(counter::tcp_retransmits) == 1);
    }
}

TEST_CASE("who does not know what is on its way cannot make a path narrow")
{
    for (const bool v6 : {false, true}) {
        simulation s{segmented(v6)};
        auto& c = established(s);
        c.peer.to_send = 10'000;
        s.run_for(100ms);
        const auto una = c.guest->rcv_nxt; // nothing is on its way
        for (const auto seq : {una, una - 1, una + 100'000, una - 100'000})
            complain(s, c, seq);
        s.run_for(10ms);
        CHECK(s.dropped(drop_reason::no_flow) == 4);
        CHECK(s.count(counter::narrow_paths_learned) == 0);
        CHECK(mtu_towards(s.plane->common(), c.guest->key().guest) == s.config.net.mtu);
        converse_to_end(s, c, 1000, 100'000);
        CHECK(s.count(counter::tcp_retransmits) == 0);
    }
}

TEST_CASE("what is known of a path holds for ten minutes")
{
    simulation s{segmented(true)};
    auto& c = established(s);
    narrow_link(s, c, true);
    c.peer.to_send = 100'000;
    s.run_for(1s);
    const auto guest = c.guest->key().guest;
    CHECK(mtu_towards(s.plane->common(), guest) == narrow);
    s.run_for(590s);
    CHECK(mtu_towards(s.plane->common(), guest) == narrow);
    s.run_for(60s);
    CHECK(mtu_towards(s.plane->common(), guest) == s.config.net.mtu);
}

TEST_CASE("nobody makes segments of IPv4 smaller than its least path lets through")
{
    simulation s{segmented(false)};
    auto& c = established(s);
    bool said = false;
    segment_log log{s};
    s.lose_to_guest = [&](const wire::tcp_segment& segment) {
        if (!said && !segment.payload.empty()) {
            said = true;
            s.after(100us, [&s, &c, seq = segment.seq] { complain(s, c, seq, 68); });
        }
        return segment.payload.size() > guest_paths::least_ipv4 - 40;
    };
    c.peer.to_send = 50'000;
    REQUIRE(s.run_until([&] { return c.guest->received() == 50'000; }, 1s));
    CHECK(mtu_towards(s.plane->common(), c.guest->key().guest) == guest_paths::least_ipv4);
    CHECK(log.all.back().s.payload.size() <= guest_paths::least_ipv4 - 40);
    CHECK(std::count_if(log.all.begin(), log.all.end(), [](const auto& each) { return each.s.payload.size() == 512; }) > 90);
}
