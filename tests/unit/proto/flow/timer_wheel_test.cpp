#include "proto/flow/timer_wheel.hpp"
#include "tests/support/catch.hpp"

#include <map>
#include <random>
#include <vector>

using namespace tapioca;
using namespace std::chrono_literals;

namespace {

constexpr duration tick{1 << 20};

/// The wheel and a plain map that says what it must do.
struct wheel_and_model {
    explicit wheel_and_model(std::size_t slots, instant start) : nodes(slots), wheel(nodes, start), now(start) {}

    std::vector<timer_wheel::node> nodes;
    timer_wheel wheel;
    instant now;
    std::map<std::uint32_t, instant> due; ///< of armed slots, not before the moment of arming

    void arm(std::uint32_t slot, instant when)
    {
        wheel.arm(slot, when);
        due[slot] = std::max(when, now);
    }
    void cancel(std::uint32_t slot)
    {
        wheel.cancel(slot);
        due.erase(slot);
    }
    [[nodiscard]] instant earliest() const
    {
        auto first = instant::max();
        for (const auto& [slot, when] : due)
            first = std::min(first, when);
        return first;
    }
    /// Each fired timer was armed and due; none that was due more than a tick ago is left.
    void expire_at(instant at)
    {
        now = at;
        wheel.expire(at, [&](std::uint32_t slot) {
            REQUIRE(due.contains(slot));
            REQUIRE(due[slot] <= at);
            due.erase(slot);
        });
        REQUIRE((due.empty() || at < earliest() + tick));
        for (std::uint32_t slot = 0; slot < nodes.size(); ++slot)
            REQUIRE(wheel.armed(slot) == due.contains(slot));
    }
};

} // namespace

TEST_CASE("timers armed, cancelled and expired at random agree with a plain map")
{
    std::mt19937_64 random{20};
    const instant start{std::chrono::hours{random() % 10'000} + duration{static_cast<std::int64_t>(random() % 1'000'000)}};
    wheel_and_model m{64, start};
    // From microseconds to days, so that every level and what lies beyond the last one is met.
    const auto span = [&] { return duration{static_cast<std::int64_t>(random() % (std::uint64_t{1} << (10 + random() % 38)))}; };
    for (int step = 0; step < 20'000; ++step) {
        const auto slot = static_cast<std::uint32_t>(random() % m.nodes.size());
        switch (random() % 4) {
        case 0:
        case 1:
            m.arm(slot, m.now + span());
            break;
        case 2:
            m.cancel(slot);
            break;
        case 3:
            m.expire_at(m.now + span() / 4);
            break;
        }
    }
}

TEST_CASE("a sleeper that asks the wheel when to wake fires every timer within a tick of its time")
{
    std::mt19937_64 random{21};
    wheel_and_model m{256, instant{123456h}};
    for (std::uint32_t slot = 0; slot < m.nodes.size(); ++slot)
        m.arm(slot, m.now + duration{static_cast<std::int64_t>(random() % (std::uint64_t{1} << (20 + random() % 24)))});
    int wakes = 0;
    while (!m.due.empty()) {
        const auto next = m.wheel.next();
        REQUIRE(next <= m.earliest() + tick);
        REQUIRE(next > m.now);
        m.expire_at(next);
        ++wakes;
    }
    CHECK(m.wheel.next() == instant::max());
    CHECK(wakes < 5 * static_cast<int>(m.nodes.size()));
}

TEST_CASE("a deadline beyond the span of the wheel is kept until it is due")
{
    wheel_and_model m{4, instant{1h}};
    m.arm(0, m.now + 5h);
    m.arm(1, m.now + 240h);
    const auto first = m.due[0], second = m.due[1];
    m.expire_at(first - 1ms);
    CHECK(m.due.size() == 2);
    m.expire_at(first + 2 * tick);
    CHECK(m.due.size() == 1);
    m.expire_at(second - 1ms);
    CHECK(m.due.size() == 1);
    m.expire_at(second + 2 * tick);
    CHECK(m.due.empty());
}

TEST_CASE("ticks are told apart where their lower halves wrap")
{
    const instant wrap{tick * (std::int64_t{1} << 32)}; // 52 days of uptime
    wheel_and_model m{3, wrap - 1s};
    m.arm(0, wrap - 500ms);
    m.arm(1, wrap + 500ms);
    m.arm(2, wrap + 600h);
    m.wheel.arm_no_later(1, wrap + 700ms);
    m.expire_at(wrap - 400ms);
    CHECK(m.due.size() == 2);
    m.expire_at(wrap + 400ms);
    CHECK(m.due.size() == 2);
    m.expire_at(wrap + 501ms + tick);
    CHECK(m.due.size() == 1);
    m.expire_at(wrap + 600h + tick);
    CHECK(m.due.empty());
}

TEST_CASE("a timer beyond what a node can tell fires after 26 days, and not before")
{
    std::vector<timer_wheel::node> nodes(2);
    const instant now{1h};
    timer_wheel wheel{nodes, now};
    wheel.arm(0, instant::max());
    wheel.arm(1, now + 24h * 400);
    int fired = 0;
    wheel.expire(now + 26 * 24h, [&](std::uint32_t) { ++fired; });
    CHECK(fired == 0);
    wheel.expire(now + 27 * 24h, [&](std::uint32_t) { ++fired; });
    CHECK(fired == 2);
}

TEST_CASE("a timer may be armed again by the call that it fires")
{
    std::vector<timer_wheel::node> nodes(2);
    instant now{1s};
    timer_wheel wheel{nodes, now};
    int fired = 0;
    wheel.arm(1, now + 10ms);
    for (int i = 0; i < 100; ++i) {
        now += 10ms;
        wheel.expire(now + tick, [&](std::uint32_t slot) {
            ++fired;
            wheel.arm(slot, now); // due at once is due at the next tick, never in this call
        });
    }
    CHECK(fired >= 99);
    CHECK(wheel.armed(1));
}

TEST_CASE("arm_no_later moves a timer forward, never back")
{
    std::vector<timer_wheel::node> nodes(1);
    timer_wheel wheel{nodes, instant{1s}};
    wheel.arm_no_later(0, instant{3s});
    wheel.arm_no_later(0, instant{9s});
    CHECK(wheel.next() <= instant{3s} + tick);
    wheel.arm_no_later(0, instant{2s});
    int fired = 0;
    wheel.expire(instant{2s} + tick, [&](std::uint32_t) { ++fired; });
    CHECK(fired == 1);
    CHECK(wheel.next() == instant::max());
}
