// Flows over the tap are listed and ended by one interface.

#include "tests/sim/scenario.hpp"
#include "tests/support/listed_flows.hpp"

using namespace tapioca;
using namespace tapioca::test;

TEST_CASE("connections are listed with what began them, and once each, however small the slices are")
{
    simulation s;
    for (int i = 0; i < 20; ++i)
        (void)established(s);
    (void)s.peer_opens();
    s.run_for(10ms);
    const auto slice = GENERATE(1U, 7U, 1000U);
    const auto seen = listed_flows(*s.plane, slice);
    REQUIRE(seen.size() == 21);
    for (const auto& f : seen) {
        const bool from_peer = f.key.guest_port == 8080;
        CHECK(f.head.kind == flow_kind::tcp);
        CHECK(f.head.from_peer() == from_peer);
        CHECK(f.head.rule == (from_peer ? std::uint16_t{s.rule} : flow_head::no_rule));
        CHECK(std::ranges::count(seen, f.key, &flow_view::key) == 1);
    }
}

TEST_CASE("a connection that is ended on request is reset on both sides")
{
    simulation s;
    auto& c = established(s);
    const auto f = listed_flows(*s.plane).at(0);
    CHECK(s.plane->close(f.head.kind, f.id, end_reason::on_request, s.now()));
    CHECK_FALSE(s.plane->close(f.head.kind, f.id, end_reason::on_request, s.now()));
    s.run_for(10ms);
    CHECK(c.guest->at == stage::reset);
    CHECK(c.peer.socket->reset_sent);
    CHECK(s.counters->ended(end_reason::on_request) == 1);
    CHECK(listed_flows(*s.plane).empty());
}
