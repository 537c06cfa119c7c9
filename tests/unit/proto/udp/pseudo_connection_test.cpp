#include "proto/udp/pseudo_connection.hpp"
#include "tests/support/catch.hpp"

namespace tapioca {
namespace {

using std::chrono::seconds;

constexpr udp_timeouts timeouts{seconds{30}, seconds{120}, seconds{5}};

constexpr instant at(int s) { return instant{seconds{s}}; }

} // namespace

TEST_CASE("one side alone does not make a conversation")
{
    pseudo_connection c;
    c.on_guest(at(100), 1000);
    CHECK_FALSE(c.converses());
    CHECK(c.expiry(timeouts, false) == at(130));
}

TEST_CASE("a single exchange lives as long as a question")
{
    pseudo_connection c;
    c.on_guest(at(100), 1);
    c.on_peer(at(101), 1);
    CHECK_FALSE(c.converses());
    CHECK(c.expiry(timeouts, false) == at(131));
}

TEST_CASE("two from one side and one from the other make a conversation")
{
    pseudo_connection c;
    c.on_guest(at(100), 1);
    c.on_peer(at(101), 1);
    c.on_guest(at(102), 1);
    CHECK(c.converses());
    CHECK(c.expiry(timeouts, false) == at(222));

    pseudo_connection other;
    other.on_peer(at(1), 2);
    other.on_guest(at(2), 1);
    CHECK(other.converses());
}

TEST_CASE("a query is over soon after its answer, but not before")
{
    pseudo_connection c;
    c.on_guest(at(100), 1);
    CHECK(c.expiry(timeouts, true) == at(130));
    c.on_peer(at(103), 1);
    CHECK(c.expiry(timeouts, true) == at(108));
    CHECK(c.expiry(timeouts, false) == at(133));
}

TEST_CASE("two queries from one port wait for two answers")
{
    pseudo_connection c;
    c.on_guest(at(100), 2); // A and AAAA
    c.on_peer(at(101), 1);
    CHECK(c.expiry(timeouts, true) == at(221));
    c.on_peer(at(102), 1);
    CHECK(c.expiry(timeouts, true) == at(107));
    c.on_guest(at(103), 1);
    CHECK(c.expiry(timeouts, true) == at(223));
}

TEST_CASE("counts saturate")
{
    pseudo_connection c;
    c.on_guest(at(1), 100'000);
    c.on_guest(at(2), 1);
    c.on_peer(at(3), 100'000);
    CHECK(c.converses());
    CHECK(c.expiry(timeouts, true) == at(8));
}

} // namespace tapioca
