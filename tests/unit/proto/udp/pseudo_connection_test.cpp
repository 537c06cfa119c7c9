#include "proto/udp/pseudo_connection.hpp"
#include "tests/support/catch.hpp"

namespace tapioca {
namespace {

using std::chrono::seconds;

constexpr udp_timeouts timeouts{seconds{30}, seconds{120}, seconds{5}};

constexpr std::uint16_t other = 4711;

constexpr instant at(int s) { return instant{seconds{s}}; }

} // namespace

TEST_CASE("one side alone does not make a conversation")
{
    pseudo_connection c;
    c.on_guest(at(100), 1000);
    CHECK_FALSE(c.converses());
    CHECK(c.expiry(timeouts, other) == at(130));
}

TEST_CASE("a single exchange lives as long as a question")
{
    pseudo_connection c;
    c.on_guest(at(100), 1);
    c.on_peer(at(101), 1);
    CHECK_FALSE(c.converses());
    CHECK(c.expiry(timeouts, other) == at(131));
}

TEST_CASE("two from one side and one from the other make a conversation")
{
    pseudo_connection c;
    c.on_guest(at(100), 1);
    c.on_peer(at(101), 1);
    c.on_guest(at(102), 1);
    CHECK(c.converses());
    CHECK(c.expiry(timeouts, other) == at(222));

    pseudo_connection from_peer;
    from_peer.on_peer(at(1), 2);
    from_peer.on_guest(at(2), 1);
    CHECK(from_peer.converses());
}

TEST_CASE("a query is over soon after its answer, but not before")
{
    pseudo_connection c;
    c.on_guest(at(100), 1);
    CHECK(c.expiry(timeouts, 53) == at(130));
    c.on_peer(at(103), 1);
    CHECK(c.expiry(timeouts, 53) == at(108));
    CHECK(c.expiry(timeouts, other) == at(133));
}

TEST_CASE("two queries from one port wait for two answers")
{
    pseudo_connection c;
    c.on_guest(at(100), 2); // A and AAAA
    c.on_peer(at(101), 1);
    CHECK(c.expiry(timeouts, 53) == at(221));
    c.on_peer(at(102), 1);
    CHECK(c.expiry(timeouts, 53) == at(107));
    c.on_guest(at(103), 1);
    CHECK(c.expiry(timeouts, 53) == at(223));
}

TEST_CASE("counts saturate")
{
    pseudo_connection c;
    c.on_guest(at(1), 100'000);
    c.on_guest(at(2), 1);
    c.on_peer(at(3), 100'000);
    CHECK(c.converses());
    CHECK(c.expiry(timeouts, other) == at(123));
}

TEST_CASE("what goes on at a resolver's port is a conversation, and lives as long")
{
    for (const auto port : {std::uint16_t{53}, std::uint16_t{853}}) {
        pseudo_connection c;
        for (int i = 0; i < 3; ++i) {
            c.on_guest(at(100), 1);
            c.on_peer(at(100), 1);
        }
        CHECK(c.expiry(timeouts, port) == at(220));
        pseudo_connection pushed; // one question, and answers that do not end
        pushed.on_guest(at(100), 1);
        pushed.on_peer(at(100), 3);
        CHECK(pushed.expiry(timeouts, port) == at(220));
    }
}

} // namespace tapioca
