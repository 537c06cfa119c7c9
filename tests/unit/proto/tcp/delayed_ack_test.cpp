#include "proto/tcp/connection.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;
using namespace tapioca::tcp;
using namespace std::chrono_literals;

namespace {

constexpr instant start{1h};

/// A guest that asks with `octets` each, and a peer that answers after `delay`.
class exchange {
public:
    exchange()
    {
        static_cast<void>(c.open_to_guest(seq_number{100}, 1460, now));
        static_cast<void>(
            c.on_segment({.seq = seq_number{500}, .ack = seq_number{101}, .window = 60000, .syn = true, .has_ack = true}, now));
    }
    outcome ask(std::uint32_t octets = 1, std::uint32_t behind = 0)
    {
        return c.on_segment({.seq = c.rcv_nxt + behind, .ack = c.snd_nxt, .window = 60000, .has_ack = true, .length = octets},
                            now);
    }
    void answer(duration delay)
    {
        now += delay;
        static_cast<void>(c.advertise(0));
        c.on_sent(1, now);
    }
    void turns(int count, duration delay = 100us)
    {
        for (int i = 0; i < count; ++i) {
            static_cast<void>(ask());
            answer(delay);
        }
    }
    connection c;
    instant now = start;
};

bool acknowledged(const outcome& out) { return out.what.has(effect::send_ack); }

} // namespace

TEST_CASE("an ACK waits for the answer once three answers in a row came at once")
{
    exchange e;
    for (int i = 0; i < 3; ++i) {
        CHECK(acknowledged(e.ask()));
        e.answer(100us);
    }
    CHECK_FALSE(acknowledged(e.ask()));
    CHECK(e.c.next_timeout(e.now) == e.now + delayed_ack::patience);
    e.answer(100us); // carries it
    CHECK(e.c.next_timeout(e.now) == e.c.retransmit_at.at(e.now));
}

TEST_CASE("answers that come late teach nothing")
{
    exchange e;
    e.turns(10, 11ms);
    CHECK(acknowledged(e.ask()));
}

TEST_CASE("an ACK that waited in vain goes out alone, and the next ones at once, for twice as long each time")
{
    exchange e;
    e.turns(3);
    for (const int needed : {6, 12, 24, 48, 96, 192, 192}) {
        CHECK_FALSE(acknowledged(e.ask()));
        e.now += delayed_ack::patience;
        CHECK(e.c.on_timeout(e.now).has(effect::send_ack));
        CHECK(e.c.ack_delay.due(e.now) == instant::max());
        e.answer(0us); // to what has been acknowledged by now
        e.turns(needed - 1);
        CHECK(acknowledged(e.ask()));
        e.answer(100us);
    }
}

TEST_CASE("a second segment, a full one, one behind a gap and a FIN are acknowledged at once")
{
    exchange e;
    e.turns(3);
    SECTION("a second one")
    {
        CHECK_FALSE(acknowledged(e.ask()));
        CHECK(acknowledged(e.ask()));
        CHECK(e.c.ack_delay.due(e.now) == instant::max());
    }
    SECTION("a full one") { CHECK(acknowledged(e.ask(1460))); }
    SECTION("one that fills a gap")
    {
        CHECK(e.ask(10, 10).what.has(effect::send_duplicates));
        CHECK(acknowledged(e.ask(10)));
    }
    SECTION("one beyond the window") { CHECK(acknowledged(e.ask(1459, static_cast<std::uint32_t>(e.c.rcv_adv - e.c.rcv_nxt)))); }
    SECTION("a FIN")
    {
        CHECK(acknowledged(e.c.on_segment(
            {.seq = e.c.rcv_nxt, .ack = e.c.snd_nxt, .window = 60000, .fin = true, .has_ack = true, .length = 1}, e.now)));
    }
}

TEST_CASE("any segment to the guest carries the ACK that waits")
{
    exchange e;
    e.turns(3);
    CHECK_FALSE(acknowledged(e.ask()));
    static_cast<void>(e.c.advertise(0));
    CHECK(e.c.ack_delay.due(e.now) == instant::max());
}

TEST_CASE("a reset of the guest after both FINs is the end, and nothing for the peer")
{
    exchange e;
    static_cast<void>(
        e.c.on_segment({.seq = e.c.rcv_nxt, .ack = e.c.snd_nxt, .window = 60000, .fin = true, .has_ack = true}, e.now));
    static_cast<void>(e.c.on_eof(e.now));
    REQUIRE(e.c.state == tcp_state::last_ack);
    const auto out = e.c.on_segment({.seq = e.c.rcv_nxt, .ack = {}, .rst = true}, e.now);
    CHECK(out.what == effects{effect::close_flow});
}

TEST_CASE("data that goes out ends the waiting, with or without a window that is asked for before")
{
    exchange e;
    e.turns(3);
    REQUIRE_FALSE(acknowledged(e.ask()));
    e.c.on_sent(1, e.now);
    CHECK(e.c.ack_delay.due(e.now) == instant::max());
}
