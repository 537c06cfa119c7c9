#include "tests/sim/scenario.hpp"

using namespace tapioca;
using namespace tapioca::test;

TEST_CASE("the guest ends first, the peer goes on for hours")
{
    simulation s;
    auto& c = established(s);
    c.guest->write(1000, s.now());
    c.guest->finish(s.now());
    CHECK(s.run_until([&] { return c.peer.saw_end; }, 1s));
    for (int i = 0; i < 4; ++i) {
        s.run_for(1800s);
        c.peer.to_send += 10'000;
        CHECK(s.run_until([&] { return c.guest->received() == c.peer.to_send; }, 1s));
    }
    converse_to_end(s, c, 0, 1000);
}

TEST_CASE("the peer ends first, the guest goes on for hours")
{
    simulation s;
    auto& c = established(s);
    c.peer.to_send = 1000;
    c.peer.finish = true;
    CHECK(s.run_until([&] { return c.guest->fin_received; }, 1s));
    for (int i = 0; i < 4; ++i) {
        s.run_for(1800s);
        c.guest->write(10'000, s.now());
        CHECK(s.run_until([&] { return c.peer.received == c.guest->acknowledged() && c.guest->all_acknowledged(); }, 1s));
    }
    converse_to_end(s, c, 1000, 0);
}

TEST_CASE("both end in the same moment")
{
    simulation s;
    auto& c = established(s);
    c.guest->finish(s.now());
    c.peer.finish = true;
    CHECK(s.run_to_end(c, 1s));
    check_end(s, c);
}

TEST_CASE("a FIN that is lost is sent again, in both directions, with data and alone")
{
    for (const std::uint64_t octets : {0, 500, 100'000})
        for (const bool of_guest : {false, true}) {
            simulation s;
            auto& c = established(s);
            int lost = 0;
            (of_guest ? s.lose_from_guest : s.lose_to_guest) = [&](const wire::tcp_segment& seg) {
                return seg.has(wire::tcp_fin) && lost++ < 2;
            };
            converse_to_end(s, c, octets, octets);
            CHECK(lost >= 3);
        }
}

TEST_CASE("a last ACK that is lost: the guest sends its FIN again and is not left hanging")
{
    simulation s;
    auto& c = established(s);
    c.peer.finish = true;
    CHECK(s.run_until([&] { return c.guest->fin_received; }, 1s));
    int lost = 0;
    s.lose_to_guest = [&](const wire::tcp_segment& seg) { return seg.flags == wire::tcp_ack && lost++ < 1; };
    c.guest->finish(s.now());
    CHECK(s.run_until([&] { return c.guest->at == stage::reset || c.guest->all_acknowledged(); }, 10s));
    CHECK(s.nothing_left());
}

TEST_CASE("the guest resets: so does the socket, also with octets under way to the guest")
{
    simulation s;
    auto& c = established(s);
    c.peer.to_send = 1'000'000;
    c.guest->write(100'000, s.now());
    s.run_for(5ms);
    c.guest->abort(s.now());
    CHECK(s.run_until([&] { return c.peer.saw_reset; }, 10ms));
    CHECK(s.nothing_left());
}

TEST_CASE("the peer resets: the guest sees a reset, not an end, whoever notices first")
{
    for (unsigned seed = 1; seed <= 20; ++seed) {
        simulation s{{.seed = seed, .shuffle_events = true}};
        auto& c = established(s);
        c.guest->write(3'000'000, s.now());
        c.peer.to_send = seed % 2 == 0 ? 3'000'000 : 0;
        s.run_for(duration{static_cast<std::int64_t>(300'000 + 10'000 * seed)});
        s.kernel.peer_resets(*c.peer.socket);
        CHECK(s.run_until([&] { return c.guest->at == stage::reset; }, 1s));
        CHECK_FALSE(c.guest->fin_received);
        CHECK(s.nothing_left());
    }
}

TEST_CASE("the peer resets between readiness and the reading of it: the guest sees a reset all the same")
{
    for (const bool uploading : {false, true}) {
        simulation s;
        auto& c = established(s);
        c.peer.to_send = 1;
        s.run_for(1ms);
        // The error is taken by a read or a send before the poller has told of it.
        s.after(1ms, [&] {
            c.peer.socket->at = memory_socket::stage::over;
            c.peer.socket->error = ECONNRESET;
            if (uploading)
                c.guest->write(100, s.now());
            else
                c.peer.socket->received.push(std::array<octet, 1>{});
            c.peer.socket->news = !uploading;
        });
        s.after(3ms, [&] { c.peer.socket->news = true; });
        CHECK(s.run_until([&] { return c.guest->at == stage::reset; }, 1s));
        CHECK_FALSE(c.guest->fin_received);
        CHECK(s.nothing_left());
    }
}

TEST_CASE("a peer that shut down both ways and reads no more: what the guest still sends is not an error of the guest")
{
    simulation s;
    auto& c = established(s);
    c.peer.finish = true;
    CHECK(s.run_until([&] { return c.guest->fin_received; }, 1s));
    c.guest->write(10'000, s.now());
    s.run_for(1ms);
    s.kernel.peer_resets(*c.peer.socket, EPIPE);
    CHECK(s.run_until([&] { return c.guest->at == stage::reset; }, 1s));
    CHECK(s.nothing_left());
}

TEST_CASE("octets behind the guest's FIN are acknowledged by nobody and reach nobody")
{
    simulation s;
    auto& c = established(s);
    c.guest->write(100, s.now());
    c.guest->finish(s.now());
    CHECK(s.run_until([&] { return c.peer.saw_end; }, 1s));
    c.guest->forge({.payload = 50});
    s.run_for(100ms);
    CHECK(c.peer.received == 100);
    converse_to_end(s, c, 0, 100);
}

TEST_CASE("octets behind a gap and behind the FIN that closes it are dropped")
{
    for (const int offset : {50, 99, 100, 101}) {
        simulation s;
        auto& c = established(s);
        c.guest->forge({.seq_offset = offset, .payload = 80}); // 100 octets and a FIN come before its end
        s.run_for(1ms);
        c.guest->write_and_finish(100, s.now());
        CHECK(s.run_until([&] { return c.peer.saw_end; }, 1s));
        CHECK(c.peer.received == 100);
        converse_to_end(s, c, 0, 100);
    }
}

TEST_CASE("the last octets wait in the store when all has ended: the socket gets them, then the flow goes")
{
    simulation s;
    auto& c = established(s);
    c.peer.socket->send_limit = 10'000;
    c.peer.reads = false;
    c.guest->write(60'000, s.now());
    c.guest->finish(s.now());
    c.peer.finish = true;
    CHECK(s.run_until([&] { return c.guest->all_acknowledged() && c.guest->fin_received; }, 5s));
    CHECK(s.tcp->flow_count() == 1);
    s.run_for(300s);
    CHECK(s.tcp->flow_count() == 1);
    c.peer.reads = true;
    CHECK(s.run_to_end(c, 5s));
    check_end(s, c);
}

TEST_CASE("a guest whose last ACK was lost is answered although the flow only waits for its socket")
{
    simulation s;
    auto& c = established(s);
    c.peer.socket->send_limit = 10'000;
    c.peer.reads = false;
    c.peer.finish = true;
    CHECK(s.run_until([&] { return c.guest->fin_received; }, 1s));
    int lost = 0;
    s.lose_to_guest = [&](const wire::tcp_segment& seg) {
        return c.guest->finished_sending && seg.ack == c.guest->snd_max && lost++ < 3;
    };
    c.guest->write(30'000, s.now());
    c.guest->finish(s.now());
    CHECK(s.run_until([&] { return c.guest->all_acknowledged(); }, 30s));
    c.peer.reads = true;
    CHECK(s.run_to_end(c, 5s));
    check_end(s, c);
}
