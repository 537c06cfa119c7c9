#include "daemon/os/clock.hpp"

#include <ctime>

namespace tapioca::os {

namespace {

// syscalls: clock_gettime
duration read(clockid_t clock) noexcept
{
    timespec t;
    ::clock_gettime(clock, &t);
    return std::chrono::seconds{t.tv_sec} + std::chrono::nanoseconds{t.tv_nsec};
}

} // namespace

instant now() noexcept { return instant{read(CLOCK_MONOTONIC)}; }

duration since_1970() noexcept { return read(CLOCK_REALTIME); }

duration thread_time() noexcept { return read(CLOCK_THREAD_CPUTIME_ID); }

} // namespace tapioca::os
