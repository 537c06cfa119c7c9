#include "daemon/loop/flow_habits.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;

namespace {

constexpr auto guest = flow_origin::guest, peer = flow_origin::peer;
constexpr std::uint64_t large = flow_habits::small, little = flow_habits::small - 1;

void note(flow_habits& habits, int times, std::uint16_t port, std::uint64_t octets)
{
    for (int i = 0; i < times; ++i)
        habits.note(peer, port, octets);
}

} // namespace

TEST_CASE("of a port that nobody knows, connections may be large")
{
    const flow_habits habits;
    CHECK(!habits.are_small(guest, 443));
    CHECK(!habits.are_small(peer, 443));
}

TEST_CASE("a few small connections make a habit of that port and that side alone")
{
    flow_habits habits;
    note(habits, 7, 80, little);
    CHECK(!habits.are_small(peer, 80));
    note(habits, 1, 80, 0);
    CHECK(habits.are_small(peer, 80));
    CHECK(!habits.are_small(guest, 80));
    CHECK(!habits.are_small(peer, 81));
}

TEST_CASE("large connections end a habit, however long it was; one among many small ones does not")
{
    flow_habits habits;
    note(habits, 1000, 80, little);
    note(habits, 1, 80, large);
    CHECK(habits.are_small(peer, 80));
    note(habits, 1, 80, large);
    CHECK(!habits.are_small(peer, 80));
    note(habits, 1, 80, large);
    note(habits, 8, 80, little);
    CHECK(habits.are_small(peer, 80));
}
