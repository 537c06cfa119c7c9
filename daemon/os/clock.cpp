#include "daemon/os/clock.hpp"

#include <ctime>

namespace tapioca::os {

// syscalls: clock_gettime
instant now() noexcept
{
    timespec t;
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return instant{std::chrono::seconds{t.tv_sec} + std::chrono::nanoseconds{t.tv_nsec}};
}

// syscalls: clock_gettime
duration since_1970() noexcept
{
    timespec t;
    ::clock_gettime(CLOCK_REALTIME, &t);
    return std::chrono::seconds{t.tv_sec} + std::chrono::nanoseconds{t.tv_nsec};
}

} // namespace tapioca::os
