// How long connections live without anything to carry, or without anybody to carry it to.
#include "tests/sim/scenario.hpp"

using namespace tapioca;
using namespace tapioca::test;

namespace {

double seconds_since(instant start, instant when) { return std::chrono::duration<double>(when - start).count(); }

/// A guest whose round trip was measured, and that is gone then: when data is sent to it, and when its connection ends.
std::vector<double> attempts(const tcp::retry_policy& policy)
{
    simulation s;
    s.config.retries = policy;
    segment_log log{s};
    auto& c = established(s);
    c.peer.to_send = 1000;
    s.run_for(1s);
    c.guest->mute = true;
    c.peer.to_send += 500;
    log.all.clear();
    const auto start = s.now();
    CHECK(s.run_until([&] { return c.peer.saw_reset; }, std::chrono::hours{9}));
    std::vector<double> times;
    for (const auto& x : log.all)
        if (x.s.payload.size() == 500)
            times.push_back(seconds_since(start, x.when));
    times.push_back(seconds_since(start, s.now()));
    CHECK(s.nothing_left());
    return times;
}

void check_attempts(const tcp::retry_policy& policy, const std::vector<double>& expected)
{
    const auto times = attempts(policy);
    REQUIRE(times.size() == expected.size());
    for (std::size_t i = 0; i < times.size(); ++i)
        CHECK(times[i] == Approx(expected[i]).margin(0.05));
}

} // namespace

TEST_CASE("a guest that is gone: its connection lives as long as one of the host's own, 924 s with the usual tcp_retries2")
{
    check_attempts({}, {0, 0.2, 0.6, 1.4, 3.0, 6.2, 12.6, 25.4, 51.0, 102.2, 204.6, 324.6, 444.6, 564.6, 684.6, 804.6, 924.6});
}

TEST_CASE("the host's sysctls change how long a guest is tried")
{
    check_attempts({.retries = 3}, {0, 0.2, 0.6, 1.4, 3.0});
    check_attempts({.retries = 5, .rto_max = 1s}, {0, 0.2, 0.6, 1.4, 2.4, 3.4, 4.4});
}

TEST_CASE("a guest that stands still for fifteen minutes goes on with what waited for it")
{
    for (const auto full : {memory_tap::when_full::refuses, memory_tap::when_full::says_so})
        for (const std::size_t room : {std::size_t{100'000}, std::size_t{300'000}}) {
            simulation s;
            s.tap.full = full;
            auto& c = established(s);
            s.tap.room = room;
            c.peer.to_send = 1'000'000;
            s.run_for(300us);
            s.paused = true;
            s.run_for(900s);
            s.paused = false;
            CHECK(s.run_until([&] { return c.guest->received() == 1'000'000; }, 130s));
            s.tap.room = SIZE_MAX;
            converse_to_end(s, c, 1000, 1000);
        }
}

TEST_CASE("a full stream to a guest that stands still: nothing is repeated, nothing is counted, for two hours")
{
    simulation s;
    s.tap.full = memory_tap::when_full::says_so;
    auto& c = established(s);
    s.tap.room = 50'000;
    c.peer.to_send = 1'000'000;
    s.run_for(10us);
    s.paused = true;
    s.run_for(2h);
    CHECK(s.count(report::counter::tcp_timeouts) == 0);
    CHECK(s.count(report::counter::tcp_retransmits) == 0);
    s.paused = false;
    CHECK(s.run_until([&] { return c.guest->received() == 1'000'000; }, 1s));
    CHECK(c.guest->duplicates_received == 0);
    converse_to_end(s, c, 1000, 1000);
}

TEST_CASE("a quiet connection is kept: the guest is asked every 30 s, and answers")
{
    simulation s;
    auto& c = established(s);
    const auto before = c.guest->segments_received;
    s.run_for(3600s);
    const auto asked = c.guest->segments_received - before;
    CHECK(asked >= 100);
    CHECK(asked <= 125);
    converse_to_end(s, c, 1000, 1000);
}

TEST_CASE("RFC 5382 REQ-5: two ends that say nothing for a day are still connected; the host's kernel looks after the peer")
{
    simulation s;
    auto& c = established(s);
    s.run_for(119min);
    CHECK_FALSE(c.peer.socket->keeps_alive);
    s.run_for(24h);
    CHECK(c.peer.socket->keeps_alive);
    CHECK(c.peer.socket->keep_idle == 0); // the host's own times
    converse_to_end(s, c, 1000, 1000);
}

TEST_CASE("a window that is closed for a day, of a guest that answers probes, is no end")
{
    simulation s;
    auto& c = established(s);
    c.guest->reads_by_itself = false;
    c.peer.to_send = 1'000'000;
    s.run_for(24h);
    c.guest->reads_by_itself = true;
    c.guest->read(UINT64_MAX, s.now());
    CHECK(s.run_until([&] { return c.guest->received() == 1'000'000; }, 130s));
    converse_to_end(s, c, 10, 10);
}

TEST_CASE("a silent guest that is gone is given up after two hours and eleven minutes, and not before RFC 5382 allows it")
{
    for (const bool from_peer : {false, true}) {
        simulation s;
        peers_answer(s);
        auto& c = from_peer ? s.peer_opens() : s.guest_opens();
        REQUIRE(s.run_until([&] { return c.guest->at == stage::open; }));
        s.run_for(1ms);
        c.guest->mute = true;
        s.run_for(124min);
        CHECK(s.tcp->flow_count() == 1);
        CHECK(s.run_until([&] { return c.peer.saw_reset; }, 8min));
        CHECK(s.nothing_left());
    }
}

TEST_CASE("a peer that the kernel gives up: the guest sees a reset")
{
    simulation s;
    auto& c = established(s);
    s.run_for(3h);
    s.kernel.peer_resets(*c.peer.socket, ETIMEDOUT);
    CHECK(s.run_until([&] { return c.guest->at == stage::reset; }, 10ms));
    CHECK(s.nothing_left());
}

TEST_CASE("a keepalive of the guest is answered, and the socket keeps itself alive from then on")
{
    simulation s;
    segment_log log{s};
    auto& c = established(s);
    for (const std::uint32_t payload : {0U, 1U}) {
        c.guest->write(1, s.now()); // so that there is an octet to repeat
        s.run_for(2s);
        log.all.clear();
        c.peer.socket->keep_idle = 0;
        c.guest->forge({.seq_offset = -1, .payload = payload});
        s.run_for(10ms);
        CHECK(log.count(wire::tcp_ack) == 1);
        CHECK(c.peer.socket->keeps_alive);
        c.guest->write(1, s.now());
        s.run_for(5s);
        c.guest->forge({.seq_offset = -1, .payload = payload});
        s.run_for(10ms);
        CHECK(c.peer.socket->keep_idle == 5);
    }
    converse_to_end(s, c, 0, 10);
}

TEST_CASE("the host's kernel asks the peer as often as the guest does")
{
    for (const int interval : {1, 2, 15, 60, 75, 300, 7200}) {
        simulation s;
        auto& c = established(s);
        s.run_for(40s); // we have asked the guest, which says nothing of its own times
        c.guest->write(10, s.now());
        for (int i = 0; i < 5; ++i) {
            s.run_for(std::chrono::seconds{interval} + duration{300'000 * i});
            c.guest->forge({.seq_offset = -1});
            s.run_for(1ms);
            CHECK(c.peer.socket->keeps_alive);
            CHECK(c.peer.socket->keep_idle >= interval);
            CHECK(c.peer.socket->keep_idle <= interval + 1);
            CHECK(c.peer.socket->keep_interval == std::min(c.peer.socket->keep_idle, 75));
        }
        converse_to_end(s, c, 10, 10);
    }
}

TEST_CASE("a guest that changes its interval is followed; data in between is not an interval")
{
    simulation s;
    auto& c = established(s);
    const auto ask = [&](duration after) {
        s.run_for(after);
        c.guest->forge({.seq_offset = -1});
        s.run_for(1ms);
        return c.peer.socket->keep_idle;
    };
    CHECK(ask(60s) == 60);
    CHECK(ask(60s) == 60);
    s.run_for(30s);
    c.peer.to_send += 1;
    CHECK(ask(60s) == 60);
    CHECK(ask(10s) == 10);
    CHECK(ask(20s) == 20);
    converse_to_end(s, c, 10, 0);
}

TEST_CASE("a guest that asks for a window does not ask for a sign of life")
{
    simulation s;
    auto& c = established(s);
    c.peer.reads = false;
    c.peer.socket->send_limit = 1000;
    c.guest->write(200'000, s.now());
    s.run_for(10s);
    REQUIRE(c.guest->snd_wnd == 0);
    c.guest->forge({.seq_offset = c.guest->snd_una - c.guest->snd_nxt - 1});
    s.run_for(10ms);
    CHECK_FALSE(c.peer.socket->keeps_alive);
    c.peer.reads = true;
    converse_to_end(s, c, 10, 10);
}
