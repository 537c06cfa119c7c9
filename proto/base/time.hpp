// Time is an argument: this clock has no now(), so nothing in proto can ask. The daemon reads CLOCK_MONOTONIC once a turn.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace tapioca {

using duration = std::chrono::duration<std::int64_t, std::nano>;

struct monotonic {
    using rep = std::int64_t;
    using period = std::nano;
    using duration = tapioca::duration;
    using time_point = std::chrono::time_point<monotonic, duration>;
    static constexpr bool is_steady = true;
};

using instant = monotonic::time_point;

template <class Clock>
concept has_now = requires
{
    Clock::now();
};
static_assert(!has_now<monotonic> && has_now<std::chrono::steady_clock>);

/// An instant, or none, in 32 bits, rounded up to a Unit: for state of which there is much. Whoever reads it says what time it is
/// now, which tells it from others that are 2^32 units away; half of those may lie between the two.
template <class Unit>
class short_instant {
public:
    constexpr short_instant() noexcept = default;
    constexpr short_instant(instant t) noexcept
    {
        if (t != instant::max())
            value_ = std::max(static_cast<std::uint32_t>(std::chrono::ceil<Unit>(t.time_since_epoch()).count()), 1U);
    }
    [[nodiscard]] constexpr bool is_set() const noexcept { return value_ != 0; }
    /// instant::max() for none.
    [[nodiscard]] constexpr instant at(instant now) const noexcept
    {
        if (value_ == 0)
            return instant::max();
        const auto units = std::chrono::floor<Unit>(now.time_since_epoch());
        return instant{units + Unit{static_cast<std::int32_t>(value_ - static_cast<std::uint32_t>(units.count()))}};
    }

private:
    std::uint32_t value_ = 0; ///< 0: none
};

static_assert(short_instant<std::chrono::milliseconds>{instant{duration{5'000'001}}}.at(instant{}) ==
              instant{duration{6'000'000}});
static_assert(short_instant<std::chrono::milliseconds>{}.at(instant{}) == instant::max());

} // namespace tapioca
