#include "daemon/report/rate_limit.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;
using report::rate_limit;
using namespace std::chrono_literals;

TEST_CASE("the fifth message of a second announces the silence, the sixth is kept back")
{
    rate_limit limit;
    const instant start{100s};
    for (int i = 0; i < 4; ++i)
        CHECK(limit.ask(start).what == rate_limit::verdict::say);
    CHECK(limit.ask(start).what == rate_limit::verdict::say_and_announce_silence);
    CHECK(limit.ask(start + 999ms).what == rate_limit::verdict::suppress);
}

TEST_CASE("the first message after the silence tells how many were kept back, once")
{
    rate_limit limit;
    const instant start{100s};
    for (int i = 0; i < 5 + 7; ++i)
        (void)limit.ask(start);
    CHECK(limit.ask(start + 1s).suppressed == 7);
    CHECK(limit.ask(start + 1s).suppressed == 0);
    CHECK(limit.ask(start + 3s).suppressed == 0);
}

TEST_CASE("a message a second is never kept back")
{
    rate_limit limit;
    for (int i = 0; i < 20; ++i)
        CHECK(limit.ask(instant{std::chrono::seconds{i}}).what == rate_limit::verdict::say);
}
