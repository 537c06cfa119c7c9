// CLOCK_MONOTONIC as the protocols' time. Read once a turn.
#pragma once

#include "proto/base/time.hpp"

namespace tapioca::os {

[[nodiscard]] instant now() noexcept;

/// CLOCK_REALTIME, for records that people read.
[[nodiscard]] duration since_1970() noexcept;

} // namespace tapioca::os
