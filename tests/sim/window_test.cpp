#include "tests/sim/scenario.hpp"

using namespace tapioca;
using namespace tapioca::test;

TEST_CASE("a guest that stops reading for ten minutes is probed, and goes on at once when it reads again")
{
    for (const bool peek_offset : {true, false}) {
        simulation s{{.peek_offset = peek_offset}};
        auto& c = established(s);
        c.guest->reads_by_itself = false;
        c.peer.to_send = 3'000'000;
        s.run_for(600s);
        CHECK(c.guest->received() < 300'000);
        CHECK(s.tcp->flow_count() == 1);
        c.guest->reads_by_itself = true;
        c.guest->read(UINT64_MAX, s.now());
        const auto start = s.now();
        CHECK(s.run_until([&] { return c.guest->received() == c.peer.to_send; }, 10s));
        CHECK(s.now() - start < 500ms);
        converse_to_end(s, c, 10, 10);
    }
}

TEST_CASE("a guest whose window is closed and probed can still send: acknowledgements stand inside the window")
{
    for (const bool peek_offset : {true, false}) {
        simulation s{{.peek_offset = peek_offset}};
        auto& c = established(s);
        c.guest->reads_by_itself = false;
        c.peer.to_send = 1'000'000;
        s.run_for(2s);
        REQUIRE(c.guest->snd_una == c.guest->snd_max);
        const auto start = s.now();
        c.guest->write(500'000, s.now());
        CHECK(s.run_until([&] { return c.guest->all_acknowledged(); }, 10s));
        CHECK(s.now() - start < 100ms);
        CHECK(c.guest->retransmissions == 0);
        CHECK(c.guest->unacceptable_received == 0);
        c.guest->reads_by_itself = true;
        c.guest->read(UINT64_MAX, s.now());
        converse_to_end(s, c, 10, 10);
    }
}

TEST_CASE("a window update that is lost is found out by the probes")
{
    simulation s;
    auto& c = established(s);
    c.guest->reads_by_itself = false;
    c.peer.to_send = 3'000'000;
    s.run_for(10s);
    int lost = 0;
    s.lose_from_guest = [&](const wire::tcp_segment&) { return lost++ < 1; };
    c.guest->reads_by_itself = true;
    c.guest->read(UINT64_MAX, s.now());
    CHECK(s.run_until([&] { return c.guest->received() == c.peer.to_send; }, 60s));
    converse_to_end(s, c, 10, 10);
}

TEST_CASE("after ten minutes of a closed window a loss costs no more than after one second of it")
{
    simulation s;
    auto& c = established(s);
    c.guest->reads_by_itself = false;
    c.peer.to_send = 3'000'000;
    s.run_for(600s);
    int lost = 0;
    s.lose_to_guest = [&](const wire::tcp_segment& seg) { return !seg.payload.empty() && lost++ < 8; }; // a whole window
    c.guest->reads_by_itself = true;
    c.guest->read(UINT64_MAX, s.now());
    CHECK(s.run_until([&] { return c.guest->received() == c.peer.to_send; }, 30s));
    converse_to_end(s, c, 10, 10);
}

TEST_CASE("a guest that reads a little at a time gets everything, without tiny segments")
{
    simulation s;
    segment_log log{s};
    auto& c = established(s);
    c.guest->reads_by_itself = false;
    c.peer.to_send = 2'000'000;
    log.all.clear();
    for (int i = 0; i < 4000 && c.guest->taken < c.peer.to_send; ++i) {
        c.guest->read(1000, s.now());
        s.run_for(1ms);
    }
    CHECK(c.guest->taken == c.peer.to_send);
    std::size_t with_data = 0;
    for (const auto& x : log.all)
        with_data += x.s.payload.empty() ? 0U : 1U;
    CHECK(with_data < 2'000'000 / 1000);
    c.guest->reads_by_itself = true;
    converse_to_end(s, c, 10, 10);
}

TEST_CASE("a guest out of memory shrinks its window to nothing and forgets what is on its way: no timeout is needed")
{
    for (const bool peek_offset : {true, false}) {
        simulation s{{.peek_offset = peek_offset}};
        auto& c = established(s);
        c.peer.to_send = 4'000'000;
        for (int i = 0; i < 20; ++i) {
            s.run_for(200us);
            c.guest->out_of_memory = true;
            s.run_for(150us);
            c.guest->out_of_memory = false;
            c.guest->read(0, s.now()); // room again: it says so
        }
        CHECK(s.run_until([&] { return c.guest->received() == c.peer.to_send; }, 5s));
        CHECK(s.count(report::counter::tcp_timeouts) == 0);
        converse_to_end(s, c, 10, 10);
    }
}

TEST_CASE("the peer ends while the guest's window is closed: data, then the FIN, once it opens")
{
    for (const bool peek_offset : {true, false}) {
        simulation s{{.peek_offset = peek_offset}};
        auto& c = established(s);
        c.guest->reads_by_itself = false;
        c.peer.to_send = 1'000'000;
        c.peer.finish = true;
        s.run_for(20s);
        CHECK_FALSE(c.guest->fin_received);
        c.guest->reads_by_itself = true;
        c.guest->read(UINT64_MAX, s.now());
        CHECK(s.run_until([&] { return c.guest->fin_received; }, 1s));
        converse_to_end(s, c, 10, 0);
    }
}

TEST_CASE("the FIN has gone when the window closes over lost octets before it: both come again when it opens")
{
    for (const bool peek_offset : {true, false}) {
        simulation s{{.peek_offset = peek_offset}};
        auto& c = established(s);
        c.peer.to_send = 200'000;
        c.peer.finish = true;
        c.guest->out_of_memory = true;
        s.run_for(100ms);
        CHECK_FALSE(c.guest->fin_received);
        c.guest->out_of_memory = false;
        c.guest->read(0, s.now());
        CHECK(s.run_until([&] { return c.guest->fin_received; }, 1s));
        converse_to_end(s, c, 10, 0);
    }
}

TEST_CASE("a slow socket closes the window without a drop, and every octet arrives")
{
    for (const double rate : {50e3, 1e6, 20e6})
        for (const std::uint32_t frame : {1460U, 60'000U}) {
            simulation s{{.guest = {.send_frame = frame}}};
            auto& c = established(s);
            c.peer.socket->send_limit = 64 << 10;
            c.peer.read_rate = rate;
            const auto octets = static_cast<std::uint64_t>(std::min(rate * 3, 8e6));
            c.guest->write(octets, s.now());
            CHECK(s.run_until([&] { return c.peer.received == octets; }, 60s));
            CHECK(s.count(report::counter::tcp_overflowed) > 0);
            CHECK(s.dropped(drop_reason::outside_window) == 0);
            CHECK(s.dropped(drop_reason::overflow_exhausted) == 0);
            CHECK(c.guest->retransmissions == 0);
            converse_to_end(s, c, 10, 10);
        }
}

TEST_CASE("a socket that takes nothing for ten minutes: the guest waits, and goes on when it does")
{
    simulation s;
    auto& c = stuck_upload(s, 3'000'000, 600s);
    CHECK(c.guest->acknowledged() < 2'000'000);
    CHECK(s.tcp->store().chunks_used() > 0);
    c.peer.reads = true;
    const auto start = s.now();
    CHECK(s.run_until([&] { return c.peer.received == 3'000'000; }, 120s));
    CHECK(s.now() - start < 2s);
    CHECK(s.dropped(drop_reason::outside_window) == 0);
    converse_to_end(s, c, 10, 10);
}

TEST_CASE("segments smaller than the window's unit do not move its edge beyond what the store may hold")
{
    for (const std::uint32_t frame : {50U, 255U, 257U}) {
        simulation s{{.guest = {.send_frame = frame, .congestion_window = false}}};
        auto& c = established(s);
        c.peer.reads = false;
        c.peer.socket->send_limit = 5000;
        c.guest->write(200'000, s.now());
        s.run_for(10s);
        CHECK(c.guest->acknowledged() > 5000 + 65'000);
        CHECK(c.guest->acknowledged() <= 5000 + 65'536);
        c.peer.reads = true;
        CHECK(s.run_until([&] { return c.peer.received == 200'000; }, 60s));
        CHECK(s.dropped(drop_reason::outside_window) == 0);
        converse_to_end(s, c, 10, 10);
    }
}

TEST_CASE("a window that opened again is announced without being asked for")
{
    simulation s;
    auto& c = established(s);
    c.peer.reads = false;
    c.guest->write(1'000'000, s.now());
    s.run_for(100ms);
    CHECK(c.guest->snd_wnd < 1460);
    c.peer.reads = true;
    s.run_for(1ms);
    CHECK(c.guest->snd_wnd >= 32'000);
    converse_to_end(s, c, 10, 10);
}

TEST_CASE("a socket whose writability nobody told of is found by the watchdog")
{
    simulation s;
    auto& c = established(s);
    c.peer.reads = false;
    c.peer.socket->send_limit = 20'000;
    c.guest->write(60'000, s.now());
    s.run_for(10ms);
    REQUIRE(s.tcp->store().chunks_used() > 0);
    c.peer.socket->edge = true;
    (void)s.kernel.peer_takes(*c.peer.socket, 0);
    c.peer.socket->out_of_space = false; // the event is lost
    c.peer.reads = true;
    CHECK(s.run_until([&] { return c.peer.received == 60'000; }, 5s));
    CHECK(s.count(report::counter::tcp_stalls_recovered) == 1);
    CHECK(s.complaints().empty());
}

TEST_CASE("many slow sockets share the pool: windows shrink in turn, nothing is dropped, all arrives")
{
    simulation s{{.pool = std::size_t{200} * tcp::receive_store::chunk_octets}};
    peers_answer(s);
    std::vector<conversation*> all;
    for (int i = 0; i < 20; ++i)
        all.push_back(&s.guest_opens({.send_frame = 60'000}));
    CHECK(s.run_until([&] { return std::all_of(all.begin(), all.end(), [](auto* c) { return c->guest->at == stage::open; }); }));
    for (auto* c : all) {
        c->peer.read_rate = 2e6;
        c->guest->write(300'000, s.now());
        c->guest->finish(s.now());
        c->peer.finish = true;
    }
    const auto whole = [](auto* c) { return c->peer.saw_end; };
    CHECK(s.run_until([&] { return s.tcp->flow_count() == 0 && std::all_of(all.begin(), all.end(), whole); }, 60s));
    for (auto* c : all)
        CHECK(c->peer.received == 300'000);
    check_no_complaints(s);
    CHECK(s.nothing_left());
    CHECK(s.dropped(drop_reason::outside_window) == 0);
}

TEST_CASE("octets acknowledged by a repeated segment do not move the right edge of the window")
{
    simulation s;
    auto options = guest_options{};
    options.receive_buffer = 10'000;
    options.scale = -1;
    peers_answer(s);
    auto& c = s.guest_opens(options);
    REQUIRE(s.run_until([&] { return c.guest->at == stage::open; }));
    c.guest->reads_by_itself = false;
    c.guest->write(100, s.now());
    s.run_for(10ms);
    c.peer.to_send = 1; // the window is taken from the acknowledgement of this, which stands behind the 100 octets
    s.run_for(10ms);
    s.lose_from_guest = [](const wire::tcp_segment& seg) { return seg.payload.empty(); }; // no acknowledgement arrives
    c.peer.to_send = 50'000;
    s.run_until([&] { return c.guest->received() == 10'000; }, 1s);
    s.lose_from_guest = {};
    c.guest->forge({.seq_offset = -100, .payload = 100}); // the guest repeats its data: acknowledges 10'000, window 0
    s.run_for(50ms);
    CHECK(s.complaints() == std::vector<std::string>{});
}

TEST_CASE("a segment fits the MTU whatever the guest announces")
{
    for (const bool v6 : {false, true}) {
        simulation s{{.v6 = v6, .mtu = 9000, .split_frames = true}};
        auto options = guest_options{};
        options.mss = 65495;
        peers_answer(s);
        auto& c = s.guest_opens(options);
        REQUIRE(s.run_until([&] { return c.guest->at == stage::open; }));
        std::size_t largest = 0;
        s.on_segment_to_guest = [&](const wire::tcp_segment& seg, instant) { largest = std::max(largest, seg.payload.size()); };
        c.peer.to_send = 1'000'000;
        CHECK(s.run_until([&] { return c.guest->received() == 1'000'000; }, 10s));
        CHECK(largest <= (v6 ? 8940 : 8960));
    }
}
