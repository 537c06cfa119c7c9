// What is owed to peers at the end of the process, and which connections are reset then.

#include "tests/sim/scenario.hpp"

using namespace tapioca;
using namespace tapioca::test;

namespace {

/// A guest that has sent more than the socket takes.
conversation& owing(simulation& s)
{
    auto& c = established(s);
    c.peer.reads = false;
    c.peer.socket->send_limit = 10'000;
    c.guest->write(60'000, s.now());
    s.run_for(10ms);
    REQUIRE(c.guest->all_acknowledged());
    REQUIRE(c.peer.socket->sending.size() < 60'000);
    return c;
}

bool was_reset(conversation& c, simulation& s)
{
    (void)c.peer.act(s.now());
    return c.peer.saw_reset;
}

} // namespace

TEST_CASE("a connection that the guest has not ended is open, owes nothing, and is reset at the end")
{
    simulation s;
    auto& c = established(s);
    c.guest->write(1000, s.now());
    c.peer.to_send = 1000;
    s.run_for(10ms);
    const auto left = s.tcp->left_over(true);
    CHECK((left.open && !left.octets));
    CHECK(s.tcp->reset_incomplete() == 1);
    CHECK(was_reset(c, s));
}

TEST_CASE(
    "octets that wait for the socket are owed until it has them; then the connection is complete, if the guest has ended it")
{
    for (const bool guest_ends : {true, false}) {
        simulation s;
        auto& c = owing(s);
        if (guest_ends)
            c.guest->finish(s.now());
        s.run_for(10ms);
        CHECK(s.tcp->left_over(true).octets);
        CHECK(s.tcp->left_over(false).octets == guest_ends); // nobody will ever end the others
        CHECK(s.tcp->left_over(true).open != guest_ends);
        c.peer.reads = true;
        s.run_for(10ms);
        CHECK_FALSE(s.tcp->left_over(true).octets);
        CHECK(s.tcp->reset_incomplete() == (guest_ends ? 0 : 1));
        CHECK(was_reset(c, s) != guest_ends);
    }
}

TEST_CASE("a connection whose octets still wait is reset at the end, though the guest has ended it")
{
    for (const bool lingers : {true, false}) { // the peer has ended it, too
        simulation s;
        auto& c = owing(s);
        c.guest->finish(s.now());
        c.peer.finish = lingers;
        s.run_for(10ms);
        CHECK(s.tcp->left_over(false).octets);
        CHECK(s.tcp->reset_incomplete() == 1);
        CHECK(was_reset(c, s));
    }
}

TEST_CASE("what the guest did not read makes its socket's end a reset: what that would take back is owed")
{
    simulation s;
    auto& c = established(s);
    c.guest->reads_by_itself = false;
    c.peer.reads = false;
    c.peer.to_send = 1'000'000;
    c.guest->write_and_finish(1000, s.now());
    s.run_for(1s);
    CHECK(s.tcp->left_over(true).octets);
    c.peer.reads = true;
    s.run_for(10ms);
    CHECK_FALSE(s.tcp->left_over(true).octets);
    CHECK(s.tcp->reset_incomplete() == (kernel_has_peek_offset() ? 0 : 1)); // a socket that holds it resets by itself
}

TEST_CASE("connections that are not established owe nothing, and their peers see a reset")
{
    simulation s;
    auto& c = s.peer_opens();
    c.guest->mute = true;
    s.run_for(10ms);
    const auto left = s.tcp->left_over(true);
    CHECK((!left.open && !left.octets));
    CHECK(s.tcp->reset_incomplete() == 1);
    CHECK(was_reset(c, s));
}

TEST_CASE("a guest's reset owes what the peer has not acknowledged")
{
    simulation s;
    auto& c = owing(s);
    c.guest->abort(s.now());
    s.run_for(10ms);
    CHECK(s.tcp->left_over(false).octets);
    CHECK(s.tcp->reset_incomplete() == 1);
    CHECK(was_reset(c, s));
}
