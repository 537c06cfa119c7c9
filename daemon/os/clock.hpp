// CLOCK_MONOTONIC as the protocols' time. Read once a turn.
#pragma once

#include "proto/base/time.hpp"

namespace tapioca::os {

[[nodiscard]] instant now() noexcept;

} // namespace tapioca::os
