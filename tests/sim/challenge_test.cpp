// RFC 5961 sections 5 and 7, RFC 9293 section 3.10.7.4: segments that do not fit, one and many.
#include "tests/sim/scenario.hpp"

using namespace tapioca;
using namespace tapioca::test;

namespace {

constexpr int far_beyond = 20'000'000; ///< the largest window

struct target {
    simulation s;
    segment_log log{s};
    conversation& c = established(s);

    target()
    {
        c.guest->write(5000, s.now());
        c.peer.to_send = 5000;
        s.run_for(100ms);
        begin_period();
        log.all.clear();
    }
    /// The limit counts in periods of the clock.
    void begin_period()
    {
        const auto period = tcp::challenge_limit::period;
        s.run_for(period - s.now().time_since_epoch() % period);
    }
    void flood(const guest_tcp::forged& f, int count)
    {
        for (int i = 0; i < count; ++i) {
            c.guest->forge(f);
            s.run_for(1ms);
        }
    }
    void still_works()
    {
        CHECK(s.tcp->flow_count() == 1);
        converse_to_end(s, c, 1000, 1000);
    }
};

} // namespace

TEST_CASE("RFC 5961 section 7: ten challenges in five seconds, however many segments ask for one")
{
    const guest_tcp::forged kinds[] = {{.flags = wire::tcp_rst, .seq_offset = 1},
                                       {.flags = wire::tcp_syn},
                                       {.flags = wire::tcp_syn | wire::tcp_ack, .seq_offset = far_beyond},
                                       {.ack_offset = 1},
                                       {.ack_offset = -1'000'000, .payload = 10},
                                       {.seq_offset = -2},
                                       {.seq_offset = far_beyond},
                                       {.seq_offset = far_beyond, .payload = 10},
                                       {.seq_offset = 1}};
    for (const auto& kind : kinds) {
        target t;
        t.flood(kind, 300);
        CHECK(t.log.count(wire::tcp_ack) == 10);
        CHECK(t.s.count(report::counter::tcp_challenges) == 10);
        CHECK(t.s.dropped(drop_reason::rate_limited) == 290);
        t.begin_period();
        t.flood(kind, 20);
        CHECK(t.log.count(wire::tcp_ack) == 20);
        t.still_works();
    }
}

TEST_CASE("a SYN that comes again and again while the SYN-ACK is not heard is answered ten times in five seconds")
{
    simulation s;
    peers_answer(s);
    s.lose_to_guest = [](const wire::tcp_segment&) { return true; };
    auto& c = s.guest_opens();
    s.run_for(1ms);
    segment_log log{s};
    for (int i = 0; i < 100; ++i) {
        c.guest->forge({.flags = wire::tcp_syn, .seq_offset = -1});
        s.run_for(1ms);
    }
    CHECK(log.count(wire::tcp_syn | wire::tcp_ack) == 10);
    s.lose_to_guest = {};
    converse_to_end(s, c, 100, 100);
}

TEST_CASE("octets that come again are acknowledged each time: the guest may have missed the first")
{
    target t;
    t.flood({.seq_offset = -4000, .payload = 100}, 50);
    CHECK(t.log.count(wire::tcp_ack) == 50);
    t.still_works();
}

TEST_CASE("RFC 5961 section 5.2: an acknowledgement older than the largest window takes its octets with it")
{
    target t;
    const auto before = t.c.peer.received;
    t.flood({.ack_offset = -300'000, .payload = 10}, 1);
    CHECK(t.log.count(wire::tcp_ack) == 1);
    CHECK(t.c.peer.received == before);
    t.still_works();
}

TEST_CASE("RFC 9293 section 3.10.7.4: nothing counts in a segment outside the window, neither its ACK nor its window")
{
    for (const int offset : {-1'000'000, far_beyond}) {
        target t;
        t.c.guest->mute = true;
        t.c.peer.to_send += 3000;
        t.s.run_for(50ms);
        const auto sent = t.s.count(report::counter::octets_to_guest);
        t.c.guest->forge({.seq_offset = offset, .ack_offset = 3000}); // of what the guest has not heard
        t.s.run_for(10ms);
        CHECK(t.s.count(report::counter::octets_to_guest) - sent < 200); // the challenge
        t.c.guest->mute = false;
        t.still_works(); // and all octets came
    }
}

TEST_CASE("two ends that disagree about the numbers do not tell each other for ever")
{
    target t;
    auto answered = t.log.all.size();
    t.c.guest->forge({.seq_offset = far_beyond});
    for (int i = 0; i < 200; ++i) { // each answer is answered at once
        t.s.run_for(1ms);
        if (t.log.all.size() == answered)
            break;
        answered = t.log.all.size();
        t.c.guest->forge({.seq_offset = far_beyond});
    }
    CHECK(t.log.all.size() == 10);
    t.still_works();
}
