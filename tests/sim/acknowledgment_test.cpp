// Acknowledgments that wait: for a look at what the host says to little, and for nothing else.

#include "tests/sim/scenario.hpp"

namespace tapioca::test {

TEST_CASE("an answer that is there at once carries the ACK, from the first octet of a connection to its end")
{
    simulation s;
    auto& c = established(s);
    c.peer.answers = true;
    const segment_log log{s};
    c.guest->write(1, s.now());
    REQUIRE(s.run_until([&] { return c.guest->received() == 1; }));
    CHECK(log.count(wire::tcp_ack) == 0);
    c.guest->finish(s.now());
    CHECK(s.run_to_end(c));
    CHECK(log.count(wire::tcp_ack) == 0);
    CHECK(log.count(wire::tcp_fin | wire::tcp_ack) == 1);
    check_end(s, c);
}

TEST_CASE("without an answer the ACK goes out at the same moment")
{
    simulation s;
    auto& c = established(s);
    const segment_log log{s};
    instant sent{};
    for (int i = 0; i < 20; ++i) { // an answer comes never, so nothing is learnt that would let an ACK wait
        sent = s.now();
        c.guest->write(1, s.now());
        s.run_for(1ms);
        REQUIRE(log.all.size() == static_cast<std::size_t>(i) + 1);
        CHECK(log.all.back().only(wire::tcp_ack));
        CHECK(log.all.back().when - sent < 1ms);
    }
    converse_to_end(s, c, 0, 0);
}

TEST_CASE("a guest that sends little in each turn is acknowledged every other turn")
{
    simulation s;
    auto& c = established(s);
    const segment_log log{s};
    for (int i = 0; i < 8; ++i) {
        c.guest->write(1, s.now());
        s.run_for(20us); // less than the way there
    }
    s.run_for(1ms);
    CHECK(log.count(wire::tcp_ack) >= 4);
    converse_to_end(s, c, 0, 0);
}

} // namespace tapioca::test
