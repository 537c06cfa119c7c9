#include "proto/base/time.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;
using namespace std::chrono_literals;

namespace {

using short_ms = short_instant<std::chrono::milliseconds>;

} // namespace

TEST_CASE("an instant in 32 bits is never before the one that it was made of, and less than a unit behind it")
{
    for (const instant t : {instant{1h}, instant{1h + 1ns}, instant{1h + 999'999ns}, instant{24h * 400 + 1us}})
        for (const auto away : {duration{0}, duration{-1ns}, duration{5s}, duration{-24h * 20}, duration{24h * 20}}) {
            const auto read = short_ms{t}.at(t + away);
            CHECK(read >= t);
            CHECK(read < t + 1ms);
        }
}

TEST_CASE("an instant in 32 bits is told from none where its number wraps to 0")
{
    const instant wrap{std::chrono::milliseconds{std::int64_t{1} << 32}};
    CHECK(short_ms{wrap}.is_set());
    CHECK(short_ms{wrap}.at(wrap - 1s) == wrap + 1ms);
    CHECK(short_ms{wrap - 1ms}.at(wrap + 1s) == wrap - 1ms);
    CHECK(short_ms{wrap + 7ms}.at(wrap - 1s) == wrap + 7ms);
    CHECK_FALSE(short_ms{instant::max()}.is_set());
    CHECK(short_ms{instant::max()}.at(wrap) == instant::max());
}
