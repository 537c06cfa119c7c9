// Parts of a connection that no simulated guest brings about at will.
#include "proto/tcp/connection.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;
using namespace tapioca::tcp;
using namespace std::chrono_literals;

namespace {

constexpr instant start{1h};

/// A peer's connection that the guest accepted with a window of 1000 octets.
connection accepted()
{
    connection c;
    static_cast<void>(c.open_to_guest(seq_number{100}, 1460, start));
    static_cast<void>(
        c.on_segment({.seq = seq_number{500}, .ack = seq_number{101}, .window = 1000, .syn = true, .has_ack = true}, start));
    REQUIRE(c.state == tcp_state::established);
    return c;
}

} // namespace

TEST_CASE("segments without octets carry the highest number that was sent, also after a rewind")
{
    connection c;
    static_cast<void>(c.open_to_guest(seq_number{100}, 1460, start));
    CHECK(c.control_seq() == seq_number{101});
    c = accepted();
    c.on_sent(800, start);
    CHECK(c.control_seq() == seq_number{901});
    REQUIRE(c.on_timeout(start + 10s).has(effect::rewind));
    REQUIRE(c.snd_nxt == seq_number{101});
    CHECK(c.control_seq() == seq_number{901});
}

TEST_CASE("segments without octets stay inside a window that has shrunk")
{
    auto c = accepted();
    c.on_sent(800, start);
    const auto shrunk = [&](std::uint16_t window) {
        static_cast<void>(
            c.on_segment({.seq = seq_number{501}, .ack = seq_number{301}, .window = window, .has_ack = true}, start));
        return c.control_seq();
    };
    CHECK(shrunk(700) == seq_number{901});
    CHECK(shrunk(100) == seq_number{401});
    CHECK(shrunk(0) == seq_number{301});
}

namespace {

segment ack_of(const connection& c, seq_number number)
{
    return {.seq = c.rcv_nxt, .ack = number, .window = 60'000, .has_ack = true};
}

/// With a window of 60000 octets.
connection wide_open()
{
    auto c = accepted();
    c.mss = 1460;
    static_cast<void>(c.on_segment(ack_of(c, c.snd_una), start));
    return c;
}

/// Of eight segments the first is lost. It is sent again because of the gap, and what that brings about is no reason to do so.
void check_recovery(connection& c, instant now)
{
    const auto segments = [&](int count) {
        for (int i = 0; i < count; ++i)
            c.on_sent(1460, now);
    };
    const auto rewinds = [&](int duplicates) {
        int count = 0;
        for (int i = 0; i < duplicates; ++i)
            count += c.on_segment(ack_of(c, c.snd_una), now).what.has(effect::rewind) ? 1 : 0;
        return count;
    };
    const auto acknowledge = [&] { static_cast<void>(c.on_segment(ack_of(c, c.snd_max), now)); };
    segments(8);
    REQUIRE(rewinds(3) == 1);
    segments(8);
    REQUIRE(rewinds(4) == 0); // the others behind the gap
    acknowledge();
    segments(4);
    REQUIRE(rewinds(7) == 0); // those that were sent again and had arrived before
    acknowledge();
}

} // namespace

TEST_CASE("RFC 6582 section 3.2: duplicates begin a recovery, but not those of what was sent again")
{
    auto c = wide_open();
    for (int i = 0; i < 10; ++i)
        check_recovery(c, start);
}

TEST_CASE("a loss behind what is sent again is repaired by duplicates, too")
{
    auto c = wide_open();
    const auto rewinds = [&](int duplicates) {
        bool any = false;
        for (int i = 0; i < duplicates; ++i)
            any = c.on_segment(ack_of(c, c.snd_una), start).what.has(effect::rewind) || any;
        return any;
    };
    for (int i = 0; i < 8; ++i)
        c.on_sent(1460, start);
    REQUIRE(rewinds(7));
    for (int i = 0; i < 8; ++i)
        c.on_sent(1460, start);
    static_cast<void>(c.on_segment(ack_of(c, c.snd_max), start));
    for (int i = 0; i < 8; ++i)
        c.on_sent(1460, start); // the first of these is lost
    CHECK_FALSE(rewinds(7));
    CHECK(rewinds(7));
}

TEST_CASE("where the last recovery ended is not mistaken for the future as sequence numbers wrap")
{
    auto c = wide_open();
    check_recovery(c, start);
    for (int i = 0; i < 60'000; ++i) { // 3 GB without a loss
        c.on_sent(50'000, start);
        static_cast<void>(c.on_segment(ack_of(c, c.snd_nxt), start));
    }
    check_recovery(c, start);
}

TEST_CASE("a retransmission that is due while the way is full waits until it is not, and is not counted")
{
    auto c = accepted();
    CHECK_FALSE(c.on_no_room(start));
    c.on_sent(800, start);
    CHECK_FALSE(c.on_no_room(start + 100ms));
    CHECK(c.on_no_room(start + 10s));
    CHECK(c.next_timeout(start + 10s) == instant::max());
    CHECK(c.retries == 0);
    c.on_room(start + 1h);
    CHECK(c.next_timeout(start + 1h) == start + 1h + 1s);
    c.on_room(start + 1h + 500ms); // again
    CHECK(c.next_timeout(start + 1h) == start + 1h + 1s);
    REQUIRE(c.on_timeout(start + 1h + 1s).has(effect::rewind));
    CHECK(c.retries == 1);
}

TEST_CASE("what is acknowledged while the way is full needs no timer when it is free again")
{
    auto c = accepted();
    c.on_sent(800, start);
    REQUIRE(c.on_no_room(start + 10s));
    static_cast<void>(c.on_segment(ack_of(c, c.snd_max), start + 11s));
    c.on_room(start + 12s);
    CHECK(c.next_timeout(start + 12s) == instant::max());
}

TEST_CASE("a handshake is tried as often, whether or not the way is full")
{
    connection c;
    static_cast<void>(c.open_to_guest(seq_number{100}, 1460, start));
    CHECK_FALSE(c.on_no_room(start + 10s));
    CHECK(c.on_timeout(start + 10s).has(effect::send_syn));
}
