#include "proto/udp/arrival_rate.hpp"
#include "tests/support/catch.hpp"

namespace tapioca {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

constexpr instant at(int us) { return instant{seconds{1000} + microseconds{us}}; }
constexpr int period = arrival_rate::period;

/// After datagrams that come in so many reads, the last of which is told about.
bool after(arrival_rate& r, int from, int interval, int reads, std::size_t each)
{
    bool fast = false;
    for (int i = 0; i < reads; ++i)
        fast = r.add(at(from + i * interval), each);
    return fast;
}

} // namespace

TEST_CASE("a burst alone is not a fast flow, however large")
{
    arrival_rate r;
    CHECK_FALSE(r.add(at(0), 100000));
    CHECK_FALSE(after(r, 5, 1, 100, 100));
    CHECK_FALSE(r.add(at(1'000'000), 1000));
}

TEST_CASE("many in each of two periods are fast, and as long as it goes on; fewer are not")
{
    arrival_rate r;
    CHECK(after(r, 0, period / 4, 9, arrival_rate::many / 4));
    CHECK(after(r, period * 9 / 4, period / 4, 100, arrival_rate::many / 4));
    arrival_rate slow;
    CHECK_FALSE(after(slow, 0, period / 4, 100, arrival_rate::many / 4 - 1));
}

TEST_CASE("what waited while nobody could look counts for the time in which it came")
{
    arrival_rate r;
    REQUIRE(after(r, 0, period, 3, arrival_rate::many));
    CHECK(r.add(at(3 * period + 20 * period), std::size_t{21} * arrival_rate::many));
    CHECK_FALSE(r.add(at(50 * period), arrival_rate::many));
}

TEST_CASE("a flow that has slowed down is not fast from the next period on")
{
    arrival_rate r;
    REQUIRE(after(r, 0, period, 3, arrival_rate::many));
    CHECK_FALSE(after(r, 3 * period, period, 2, 1));
}

TEST_CASE("a count beyond all bounds stays a count")
{
    arrival_rate r;
    for (int i = 0; i < 5; ++i)
        (void)r.add(at(i), SIZE_MAX / 8);
    CHECK(r.add(at(period), 1));
}

} // namespace tapioca
