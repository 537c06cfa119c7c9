// Every flow that ends says why, once.

#include "tests/sim/scenario.hpp"

using namespace tapioca;
using namespace tapioca::test;

namespace {

/// The reasons that were counted since the beginning, each as often.
std::vector<end_reason> ends_of(const simulation& s)
{
    std::vector<end_reason> all;
    for (std::size_t i = 0; i < end_reason_count; ++i)
        all.insert(all.end(), s.counters->ended(static_cast<end_reason>(i)), static_cast<end_reason>(i));
    return all;
}

void check_ends(simulation& s, end_reason why, duration limit = 30s)
{
    CHECK(s.run_until([&] { return s.tcp->flow_count() == 0; }, limit));
    CHECK(ends_of(s) == std::vector{why});
}

} // namespace

TEST_CASE("a connection that both sides have ended is finished")
{
    simulation s;
    converse_to_end(s, established(s), 1000, 1000);
    check_ends(s, end_reason::finished);
}

TEST_CASE("the guest's reset ends a connection, at once or when what came before has been delivered")
{
    simulation s;
    auto& c = established(s);
    const bool slow = GENERATE(false, true);
    c.peer.reads = !slow;
    c.guest->write(slow ? 1'000'000 : 1000, s.now());
    s.run_for(100ms);
    c.guest->abort(s.now());
    s.run_for(10ms);
    CHECK(s.tcp->flow_count() == (slow ? 1 : 0));
    c.peer.reads = true;
    check_ends(s, end_reason::reset_by_guest);
}

TEST_CASE("what was said before a reset of the guest, and nobody takes, ends by the peer's silence")
{
    simulation s;
    auto& c = stuck_upload(s, 1'000'000, 100ms);
    c.guest->abort(s.now());
    check_ends(s, end_reason::peer_silent, 120s);
}

TEST_CASE("the peer's reset ends a connection")
{
    simulation s;
    auto& c = established(s);
    s.kernel.peer_resets(*c.peer.socket);
    check_ends(s, end_reason::reset_by_peer);
}

TEST_CASE("a refused connection says so, whichever side refuses")
{
    simulation s;
    SECTION("the host")
    {
        s.kernel.on_connect = [](memory_socket&) { return ECONNREFUSED; };
        (void)s.guest_opens();
        s.run_for(1ms);
        check_ends(s, end_reason::connect_failed);
    }
    SECTION("the guest")
    {
        auto& c = s.peer_opens();
        c.guest->at = stage::closed; // as of a system on which nobody listens
        segment_log log{s};
        s.run_for(1ms);
        REQUIRE(log.count(wire::tcp_syn) == 1);
        c.guest->forge({.flags = wire::tcp_rst | wire::tcp_ack, .ack_offset = log.all[0].s.seq.value() + 1LL});
        check_ends(s, end_reason::refused_by_guest, 500ms);
    }
}

TEST_CASE("a guest that does not answer a SYN, or does not acknowledge, is silent")
{
    simulation s;
    if (GENERATE(false, true)) {
        auto& c = established(s);
        s.to_guest.loss = 1;
        c.peer.to_send = 1000;
        check_ends(s, end_reason::guest_silent, std::chrono::hours{1});
    } else {
        s.to_guest.loss = 1;
        (void)s.peer_opens();
        check_ends(s, end_reason::guest_silent);
    }
}

TEST_CASE("attempts that made room for newer ones are displaced")
{
    simulation s;
    s.config.connecting_flows = 1;
    (void)s.guest_opens();
    s.run_for(1ms);
    (void)s.guest_opens();
    s.run_for(1ms);
    CHECK(ends_of(s) == std::vector{end_reason::displaced});
}
