// What a peer says before it resets, and when the guest hears of the reset.

#include "tests/sim/scenario.hpp"

using namespace tapioca;
using namespace tapioca::test;

namespace {

/// A guest that has sent what the socket, the store and its own window hold, to a peer that reads nothing.
conversation& stuck_upload(simulation& s)
{
    auto& c = stuck_upload(s, 8'000'000, 1s);
    REQUIRE(c.guest->acknowledged() < 8'000'000);
    return c;
}

} // namespace

TEST_CASE(
    "a peer that does not read, answers and resets: the answer reaches the guest that is still sending, then the reset does")
{
    for (const bool peek_offset : {true, false})
        for (const bool told_by_send : {true, false})
            for (const std::uint64_t answer : {26, 300'000}) {
                simulation s{{.peek_offset = peek_offset}};
                auto& c = stuck_upload(s);
                c.peer.to_send = answer;
                CHECK(c.peer.act(s.now()));
                s.kernel.peer_resets(*c.peer.socket);
                if (told_by_send) { // the poller is slower than the guest
                    c.peer.socket->news = false;
                    s.after(1ms, [&] { c.peer.socket->news = true; });
                    c.guest->forge({.payload = 1});
                }
                CHECK(s.run_until([&] { return c.guest->at == stage::reset; }, 1s));
                CHECK(c.guest->received() == answer);
                CHECK_FALSE(c.guest->fin_received);
                CHECK(s.nothing_left());
                check_no_complaints(s);
            }
}

TEST_CASE("an answer before a reset arrives though a part of it is lost on the way: the reset waits until it is acknowledged")
{
    for (const bool peek_offset : {true, false})
        for (const bool uploading : {true, false}) {
            simulation s{{.peek_offset = peek_offset}};
            auto& c = uploading ? stuck_upload(s) : established(s);
            int lost = 0;
            s.lose_to_guest = [&](const wire::tcp_segment& seg) { return !seg.payload.empty() && lost++ < 1; };
            c.peer.to_send = 1000;
            CHECK(c.peer.act(s.now()));
            s.kernel.peer_resets(*c.peer.socket);
            CHECK(s.run_until([&] { return c.guest->at == stage::reset; }, 10s));
            CHECK(lost >= 2);
            CHECK(c.guest->received() == 1000);
            CHECK(s.nothing_left());
            check_no_complaints(s);
        }
}

TEST_CASE("after a reset nothing of the guest is acknowledged any more, as nobody will have it")
{
    simulation s;
    auto& c = established(s);
    c.guest->reads_by_itself = false;
    c.peer.to_send = 1'000'000; // so that the reset has to wait
    s.run_for(2s);
    s.kernel.peer_resets(*c.peer.socket);
    s.run_for(1s);
    const auto before = c.guest->acknowledged();
    c.guest->write(1000, s.now());
    s.run_for(1s);
    CHECK(c.guest->acknowledged() == before);
    CHECK(c.guest->at == stage::open);
    c.guest->reads_by_itself = true;
    c.guest->read(UINT64_MAX, s.now());
    CHECK(s.run_until([&] { return c.guest->at == stage::reset; }, 10s));
    CHECK(c.guest->received() == 1'000'000);
    CHECK(s.nothing_left());
}

TEST_CASE(
    "a peer's reset while the guest's window is closed: what came before waits for the guest, but no more than half a minute")
{
    for (const bool peek_offset : {true, false})
        for (const bool opens : {true, false}) {
            simulation s{{.peek_offset = peek_offset}};
            auto& c = established(s);
            c.guest->reads_by_itself = false;
            c.peer.to_send = 1'000'000;
            s.run_for(2s);
            s.kernel.peer_resets(*c.peer.socket);
            s.run_for(25s);
            CHECK(c.guest->at == stage::open);
            if (opens) {
                c.guest->reads_by_itself = true;
                c.guest->read(UINT64_MAX, s.now());
            }
            CHECK(s.run_until([&] { return c.guest->at == stage::reset; }, opens ? duration{1s} : duration{10s}));
            CHECK((c.guest->received() == 1'000'000) == opens);
            CHECK(s.nothing_left());
            check_no_complaints(s);
        }
}

TEST_CASE("a peer that speaks and resets while the handshake with the guest is under way: the guest gets what it said")
{
    for (const bool of_guest : {true, false}) {
        simulation s;
        peers_answer(s);
        auto& c = of_guest ? s.guest_opens() : s.peer_opens();
        CHECK(s.run_until([&] { return c.peer.socket != nullptr; }, 1s));
        c.peer.to_send = 100;
        CHECK(c.peer.act(s.now()));
        s.kernel.peer_resets(*c.peer.socket);
        CHECK(s.run_until([&] { return c.guest->at == stage::reset; }, 1s));
        CHECK(c.guest->received() == 100);
        CHECK(s.nothing_left());
    }
}

TEST_CASE("what the peer sent before it reset reaches the guest before the reset does")
{
    for (const bool peek_offset : {true, false}) {
        simulation s{{.peek_offset = peek_offset}};
        auto& c = established(s);
        c.guest->write(1000, s.now());
        s.run_for(1ms);
        c.peer.to_send = 100'000;
        CHECK(c.peer.act(s.now()));
        s.kernel.peer_resets(*c.peer.socket);
        CHECK(s.run_until([&] { return c.guest->at == stage::reset; }, 1s));
        CHECK(c.guest->received() == 100'000);
        CHECK_FALSE(c.guest->fin_received);
        CHECK(s.nothing_left());
    }
}

TEST_CASE("a peer that ended and then reset: the guest sees the reset, although nothing is left to read")
{
    for (const bool peek_offset : {true, false}) {
        simulation s{{.peek_offset = peek_offset}};
        auto& c = established(s);
        c.peer.to_send = 1000;
        c.peer.finish = true;
        s.run_for(10ms);
        CHECK(c.guest->fin_received);
        s.kernel.peer_resets(*c.peer.socket);
        CHECK(s.run_until([&] { return c.guest->at == stage::reset; }, 1s));
        CHECK(s.nothing_left());
    }
}

TEST_CASE(
    "the guest resets: the peer gets what was acknowledged before it sees the reset, unless it takes nothing for half a minute")
{
    for (const std::uint64_t octets : {30'000, 1'000'000}) // in the socket's queue; in the store, too
        for (const double rate : {0.0, 300'000.0}) {
            simulation s;
            auto& c = established(s);
            c.peer.to_send = 1'000'000;
            c.guest->reads_by_itself = false;
            c.peer.reads = false;
            c.guest->write(octets, s.now());
            s.run_for(2s);
            const auto acknowledged = c.guest->acknowledged();
            c.guest->abort(s.now());
            c.peer.reads = rate > 0;
            c.peer.read_rate = rate;
            c.peer.counted = s.now();
            s.run_for(100ms);
            CHECK_FALSE(c.peer.saw_reset);
            CHECK(s.run_until([&] { return c.peer.saw_reset; }, 32s));
            CHECK(c.peer.received == (rate > 0 ? acknowledged : 0));
            CHECK(s.nothing_left());
            check_no_complaints(s);
        }
}
