#include "tests/sim/scenario.hpp"

using namespace tapioca;
using namespace tapioca::test;

namespace {

struct condition {
    const char* what;
    link_quality quality;
};

const condition conditions[] = {
    {"nothing wrong", {}},
    {"loss", {.loss = 0.03}},
    {"much loss", {.loss = 0.15}},
    {"duplicates", {.duplicates = 0.1}},
    {"reordering", {.jitter = 300us}},
    {"everything", {.jitter = 300us, .loss = 0.03, .duplicates = 0.03}},
};

} // namespace

TEST_CASE("both streams arrive whole over a bad link, whatever the offloads, events come in any order, and nothing stays")
{
    for (const auto& condition : conditions)
        for (unsigned seed = 1; seed <= 6; ++seed) {
            INFO(condition.what << ", seed " << seed);
            simulation_options o;
            o.to_guest = o.from_guest = condition.quality;
            o.seed = seed;
            o.shuffle_events = true;
            o.v6 = seed % 2 == 0;
            o.peek_offset = seed % 3 != 0;
            o.offered.tso = seed % 4 != 0;
            o.split_frames = seed % 3 == 1;
            o.guest.send_frame = seed % 2 == 0 ? 1460 : 40'000;
            o.guest.delayed_acks = seed > 3;
            simulation s{o};
            peers_answer(s);
            auto& c = seed % 2 == 0 ? s.guest_opens() : s.peer_opens();
            converse_to_end(s, c, 400'000, 400'000);
        }
}

TEST_CASE("windows and segment sizes from small to large")
{
    for (const std::uint16_t mss : {std::uint16_t{536}, std::uint16_t{1460}, std::uint16_t{8960}, std::uint16_t{65480}})
        for (const std::uint32_t buffer : {2000U, 65'535U, 2'000'000U}) {
            INFO("segments of " << mss << ", a receive buffer of " << buffer);
            simulation_options o;
            o.guest.mss = mss;
            o.guest.send_frame = mss;
            o.guest.receive_buffer = buffer;
            o.to_guest.loss = o.from_guest.loss = 0.01;
            o.seed = mss + buffer;
            simulation s{o};
            peers_answer(s);
            auto& c = s.guest_opens();
            converse_to_end(s, c, 500'000, 500'000);
        }
}

TEST_CASE("without window scaling, windows are 64 KiB and everything works")
{
    simulation_options o;
    o.guest.scale = -1;
    o.to_guest.loss = o.from_guest.loss = 0.01;
    simulation s{o};
    peers_answer(s);
    auto& c = s.guest_opens();
    converse_to_end(s, c, 2'000'000, 2'000'000);
}

TEST_CASE("segments of one octet, some of them lost")
{
    simulation_options o;
    o.guest.send_frame = 1;
    o.guest.mss = 48;
    o.to_guest.loss = o.from_guest.loss = 0.01;
    simulation s{o};
    peers_answer(s);
    auto& c = s.guest_opens();
    converse_to_end(s, c, 3000, 3000);
}

TEST_CASE("a peer that writes an octet at a time, slowly")
{
    simulation s;
    auto& c = established(s);
    for (int i = 0; i < 500; ++i) {
        c.peer.to_send += 1;
        c.guest->write(1, s.now());
        s.run_for(duration{100'000 * (i % 7)});
    }
    converse_to_end(s, c, 1, 1);
}

TEST_CASE("sequence numbers of both sides wrap around in the middle of it")
{
    for (const std::uint32_t iss : {0xffff'ffffU, 0xffff'fffeU, 0xffff'8000U, 0x7fff'ff00U, 0U}) {
        simulation_options o;
        o.guest.iss = iss;
        o.to_guest = o.from_guest = {.jitter = 100us, .loss = 0.01};
        o.seed = iss;
        simulation s{o};
        peers_answer(s);
        auto& c = s.guest_opens();
        converse_to_end(s, c, 300'000, 300'000);
    }
}

TEST_CASE("our own sequence numbers wrap around in the middle of it")
{
    for (unsigned seed = 1; seed < 400; ++seed) { // until one begins close to the end
        simulation_options o;
        o.seed = seed;
        simulation s{o};
        peers_answer(s);
        auto& c = s.guest_opens();
        REQUIRE(s.run_until([&] { return c.guest->at == stage::open; }));
        if (c.guest->rcv_nxt < seq_number{0} && seq_number{0} - c.guest->rcv_nxt < 60'000'000) {
            const auto octets = static_cast<std::uint64_t>(seq_number{0} - c.guest->rcv_nxt) + 100'000;
            converse_to_end(s, c, 1000, octets);
            return;
        }
    }
    FAIL("no sequence number was close to the end");
}

TEST_CASE("what arrives behind a gap is kept: only what was lost is sent again")
{
    simulation s;
    auto& c = established(s);
    int data = 0;
    s.lose_from_guest = [&](const wire::tcp_segment& seg) { return !seg.payload.empty() && ++data == 3; };
    c.guest->write(14'600, s.now());
    CHECK(s.run_until([&] { return c.peer.received == 14'600; }, 1s));
    CHECK(c.guest->retransmissions == 1);
    CHECK(s.count(report::counter::tcp_out_of_order) > 0);
    converse_to_end(s, c, 10, 10);
}

TEST_CASE("a fresh gap is reported with three duplicate ACKs at once: a guest with few segments need not wait for its timer")
{
    simulation s;
    auto& c = established(s);
    int data = 0;
    s.lose_from_guest = [&](const wire::tcp_segment& seg) { return !seg.payload.empty() && ++data == 1; };
    c.guest->write(2920, s.now()); // two segments, the first is lost
    const auto start = s.now();
    CHECK(s.run_until([&] { return c.peer.received == 2920; }, 1s));
    CHECK(s.now() - start < 50ms);
    converse_to_end(s, c, 10, 10);
}

TEST_CASE("a lost super-frame towards the guest is sent again after duplicate ACKs, without a timeout")
{
    for (const bool split : {false, true}) {
        simulation_options o;
        o.split_frames = split;
        simulation s{o};
        auto& c = established(s);
        int data = 0;
        s.lose_to_guest = [&](const wire::tcp_segment& seg) { return !seg.payload.empty() && ++data == 2; };
        c.peer.to_send = 260'000;
        CHECK(s.run_until([&] { return c.guest->received() == 260'000; }, 150ms));
        CHECK(s.count(report::counter::tcp_timeouts) == 0);
        converse_to_end(s, c, 10, 10);
    }
}

TEST_CASE("frames that the tap refuses are repaired like losses")
{
    simulation s;
    auto& c = established(s);
    c.peer.to_send = 2'000'000;
    for (int i = 0; i < 10; ++i) {
        s.run_for(100us);
        s.tap.refusals = 3;
    }
    converse_to_end(s, c, 10'000, 0);
}

namespace {

/// Under a name of its own: link-time optimization takes lambdas of tests that have one number in two files for the same.
void exhaust_store(unsigned seed)
{
    simulation_options o;
    o.seed = seed;
    o.pool = std::size_t{20} * tcp::receive_store::chunk_octets;
    o.from_guest.loss = seed == 3 ? 0.02 : 0;
    o.guest.send_frame = 60'000;
    o.guest.congestion_window = false;
    simulation s{o};
    peers_answer(s);
    // Every flow's window is 64 KiB to begin with: 30 of them promise more than this pool has.
    std::vector<conversation*> all;
    for (int i = 0; i < 30; ++i)
        all.push_back(&s.guest_opens());
    CHECK(s.run_until([&] { return std::all_of(all.begin(), all.end(), [](auto* c) { return c->guest->at == stage::open; }); }));
    for (auto* c : all) {
        c->peer.reads = false;
        c->peer.socket->send_limit = 1000;
        c->guest->write_and_finish(70'000, s.now());
    }
    s.run_for(2s);
    CHECK(s.dropped(drop_reason::overflow_exhausted) > 0);
    for (auto* c : all) {
        c->peer.reads = true;
        c->peer.finish = true;
    }
    CHECK(s.run_until([&] { return s.tcp->flow_count() == 0; }, 120s));
    std::size_t whole = 0;
    for (auto* c : all)
        whole += c->peer.received == 70'000 && c->peer.saw_end ? 1U : 0U;
    CHECK(whole == all.size());
    check_no_complaints(s);
    CHECK(s.nothing_left());
}

} // namespace

TEST_CASE("an exhausted store: octets are taken back before they are acknowledged, and come again")
{
    for (unsigned seed = 1; seed <= 3; ++seed)
        exhaust_store(seed);
}

TEST_CASE("a guest whose answers begin to take longer than the timeout is not sent everything twice", "[!mayfail]")
{
    simulation s;
    auto options = guest_options{};
    options.receive_buffer = 2920; // a round trip for each two segments: each of them would be repeated, and none ever timed
    peers_answer(s);
    auto& c = s.guest_opens(options);
    REQUIRE(s.run_until([&] { return c.guest->at == stage::open; }));
    c.peer.to_send = 10'000;
    CHECK(s.run_until([&] { return c.guest->received() == 10'000; }));
    s.to_guest.delay = s.from_guest.delay = 200ms;
    c.peer.to_send += 290'000;
    CHECK(s.run_until([&] { return c.guest->received() == 300'000; }, 600s));
    CHECK(c.guest->duplicates_received <
          10); // RFC 6298 section 3: what was repeated says nothing of the time; section 5.5 to 5.7
    check_no_complaints(s);
}
