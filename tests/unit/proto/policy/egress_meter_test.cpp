#include "proto/policy/egress_meter.hpp"
#include "tests/support/catch.hpp"

#include <thread>

using namespace tapioca;
using namespace std::chrono_literals;

namespace {

constexpr instant start{1000h};

} // namespace

TEST_CASE("octets pass while they are ahead of the rate by no more than the bucket is deep, and what is too many is paid for")
{
    egress_meter m;
    const egress_limits l{.octets_per_second = 1'000'000};
    CHECK(m.opens_at(l) <= start);
    m.charge(l, 10'000, start); // 10 ms
    CHECK(m.opens_at(l) == start);
    m.charge(l, 1000, start);
    CHECK(m.opens_at(l) == start + 1ms);
    m.charge(l, 64'000, start + 1ms);
    CHECK(m.opens_at(l) == start + 65ms);
    m.charge(l, 1000, start + 1h); // what was not used is not saved
    CHECK(m.opens_at(l) == start + 1h + 1ms - egress_meter::depth);
    CHECK(m.opens_at({}) == instant{});
}

TEST_CASE("over a second as much passes as the rate says, however late each look is, for slow and fast rates")
{
    for (const std::uint64_t rate : {10'000ULL, 6'250'000ULL, 1'250'000'000ULL, 12'500'000'000ULL})
        for (const std::size_t size : {std::size_t{100}, std::size_t{1448}, std::size_t{65536}}) {
            egress_meter m;
            const egress_limits l{.octets_per_second = rate};
            std::uint64_t passed = 0;
            auto now = start;
            for (int late = 0; now < start + 1s; late = (late + 1) % 5) {
                m.charge(l, size, now);
                passed += size;
                if (m.opens_at(l) > now)
                    now = m.opens_at(l) + late * 500us;
            }
            CHECK(passed <= rate + rate / 100 + size);
            CHECK(passed + size + rate / 50 >= rate);
        }
}

TEST_CASE("a quota is used up until its period is over, and the next begins where that ended")
{
    egress_meter m;
    const egress_limits l{.quota = 1000, .quota_period = 60s};
    CHECK(!m.is_used_up(l, start));
    m.charge(l, 999, start + 10s);
    CHECK(!m.is_used_up(l, start + 10s));
    m.charge(l, 1, start + 20s);
    CHECK(m.is_used_up(l, start + 20s));
    CHECK(m.is_used_up(l, start + 60s - 1ns));
    CHECK(!m.is_used_up(l, start + 60s));
    m.charge(l, 1000, start + 61s);
    CHECK(m.is_used_up(l, start + 119s));
    CHECK(!m.is_used_up(l, start + 200s)); // two periods later
    CHECK(m.period_end() == start + 240s);
}

TEST_CASE("another policy's quota counts what was used, and its shorter period holds")
{
    egress_meter m;
    const egress_limits day{.quota = 1000, .quota_period = 24h};
    m.charge(day, 1000, start);
    CHECK(m.is_used_up(day, start));
    const egress_limits more{.quota = 2000, .quota_period = 24h};
    CHECK(!m.is_used_up(more, start + 1s));
    const egress_limits hour{.quota = 1000, .quota_period = 1h};
    CHECK(m.is_used_up(hour, start + 2s));
    CHECK(!m.is_used_up(hour, start + 2s + 1h));
    CHECK(!m.is_used_up({}, start));
}

TEST_CASE("several threads together keep to the rate and count each octet")
{
    egress_meter m;
    const egress_limits l{.octets_per_second = 1'000'000'000, .quota = 1'000'000'000, .quota_period = 24h};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 10'000; ++i)
                m.charge(l, 1000, start);
        });
    for (auto& t : threads)
        t.join();
    CHECK(m.used() == 40'000'000);
    CHECK(m.opens_at(l) == start + 40ms - egress_meter::depth);
}
