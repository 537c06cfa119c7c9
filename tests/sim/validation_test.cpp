#include "tests/sim/scenario.hpp"

using namespace tapioca;
using namespace tapioca::test;

namespace {

/// A conversation with octets on both sides behind it, and what the translator answers to one more segment.
struct probe {
    simulation s;
    segment_log log{s};
    conversation& c = established(s);

    probe()
    {
        c.guest->write(5000, s.now());
        c.peer.to_send = 5000;
        s.run_for(100ms);
        log.all.clear();
    }
    void send(const guest_tcp::forged& f)
    {
        c.guest->forge(f);
        s.run_for(1ms);
    }
    void still_works()
    {
        CHECK(s.tcp->flow_count() == 1);
        converse_to_end(s, c, 1000, 1000);
    }
};

} // namespace

TEST_CASE("RFC 5961 section 3.2: a reset at rcv_nxt ends the connection without a word")
{
    probe p;
    p.send({.flags = wire::tcp_rst});
    CHECK(p.log.all.empty());
    CHECK(p.c.peer.saw_reset);
    CHECK(p.s.nothing_left());
}

TEST_CASE("RFC 5961 section 3.2: a reset elsewhere in the window earns a challenge ACK")
{
    for (const int offset : {1, 1000, 65'000}) {
        probe p;
        p.send({.flags = wire::tcp_rst, .seq_offset = offset});
        CHECK(p.log.count(wire::tcp_ack) == 1);
        CHECK_FALSE(p.c.peer.saw_reset);
        p.still_works();
    }
}

TEST_CASE("RFC 5961 section 3.2: a reset outside the window is not even answered")
{
    for (const int offset : {-1, -4000, 20'000'000}) {
        probe p;
        p.send({.flags = wire::tcp_rst, .seq_offset = offset});
        CHECK(p.log.all.empty());
        p.still_works();
    }
}

TEST_CASE("RFC 5961 section 4.2: a SYN earns a challenge ACK wherever it stands")
{
    for (const int offset : {-1'000'000, -1, 0, 1, 1'000'000})
        for (const octet flags : {wire::tcp_syn, static_cast<octet>(wire::tcp_syn | wire::tcp_ack)}) {
            probe p;
            p.send({.flags = flags, .seq_offset = offset});
            CHECK(p.log.count(wire::tcp_ack) == 1);
            CHECK(p.log.all.size() == 1);
            p.still_works();
        }
}

TEST_CASE("RFC 5961 section 5.2: an acknowledgement of what was never sent is answered and its octets are not taken")
{
    probe p;
    const auto before = p.c.peer.received;
    p.send({.ack_offset = 1, .payload = 10});
    CHECK(p.log.count(wire::tcp_ack) == 1);
    CHECK(p.c.peer.received == before);
    p.still_works();
}

TEST_CASE("an old acknowledgement changes nothing")
{
    probe p;
    p.send({.ack_offset = -3000});
    CHECK(p.log.all.empty());
    p.still_works();
}

TEST_CASE("octets outside the window are answered and dropped")
{
    probe p;
    const auto before = p.c.peer.received;
    p.send({.seq_offset = 10'000'000, .payload = 100});
    CHECK(p.log.count(wire::tcp_ack) == 1);
    p.send({.seq_offset = -4000, .payload = 100});
    CHECK(p.log.count(wire::tcp_ack) == 2);
    CHECK(p.c.peer.received == before);
    p.still_works();
}

TEST_CASE("a segment without any flag that means something is dropped")
{
    probe p;
    const auto before = p.c.peer.received;
    p.send({.flags = 0, .payload = 10});
    p.send({.flags = wire::tcp_psh, .payload = 10});
    CHECK(p.log.all.empty());
    CHECK(p.c.peer.received == before);
    p.still_works();
}

TEST_CASE("a segment of no connection is answered with a reset that the guest believes")
{
    simulation s;
    segment_log log{s};
    auto& c = established(s);
    c.guest->abort(s.now());
    s.run_for(10ms);
    REQUIRE(s.nothing_left());
    log.all.clear();
    c.guest->forge({.payload = 10});
    s.run_for(1ms);
    REQUIRE(log.all.size() == 1);
    CHECK(log.all[0].only(wire::tcp_rst));
    CHECK(log.all[0].s.seq == c.guest->rcv_nxt);
    c.guest->forge({.flags = wire::tcp_rst});
    c.guest->forge({.flags = wire::tcp_fin});
    s.run_for(1ms);
    REQUIRE(log.all.size() == 2);
    CHECK(log.all[1].only(wire::tcp_rst | wire::tcp_ack));
    CHECK(log.all[1].s.ack == c.guest->snd_nxt + 1);
}

TEST_CASE(
    "RFC 9293 section 3.5.2: a guest that still has an older connection of the same name is told, and the SYN succeeds then")
{
    simulation s;
    auto& c = s.peer_opens();
    s.lose_to_guest = [](const wire::tcp_segment&) { return true; };
    segment_log log{s};
    s.run_for(1ms);
    log.all.clear();
    c.guest->forge({.ack_offset = 123'456}); // what a guest in the middle of a connection answers to a SYN
    s.run_for(1ms);
    REQUIRE(log.count(wire::tcp_rst) + log.count(wire::tcp_rst | wire::tcp_ack) == 1);
    CHECK(log.all[0].s.seq == seq_number{c.guest->rcv_nxt.value() + 123'456});
    CHECK(s.tcp->flow_count() == 1);
    s.lose_to_guest = {};
    converse_to_end(s, c, 100, 100);
}

TEST_CASE("RFC 9293 section 3.9.2.3: a segment to a multicast or broadcast address is not answered")
{
    for (const octet first : {octet{224}, octet{255}}) {
        probe p;
        p.c.guest->forge({});
        auto& frame = p.c.guest->output.back().octets;
        const ipv4_octets destination = {first, 255, 255, 255};
        std::copy(destination.begin(), destination.end(), frame.begin() + 30);
        p.s.run_for(1ms);
        CHECK(p.log.all.empty());
        p.still_works();
    }
}
