// Time is an argument: this clock has no now(), so nothing in proto can ask. The daemon reads CLOCK_MONOTONIC once a turn.
#pragma once

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

} // namespace tapioca
