// CLOCK_MONOTONIC as the protocols' time. Read once a turn.
#pragma once

#include "proto/base/time.hpp"

namespace tapioca::os {

[[nodiscard]] instant now() noexcept;

/// CLOCK_REALTIME, for records that people read.
[[nodiscard]] duration since_1970() noexcept;

/// What the calling thread has computed so far (CLOCK_THREAD_CPUTIME_ID).
[[nodiscard]] duration thread_time() noexcept;

} // namespace tapioca::os
