// The one place that knows what time it is.
#pragma once

#include "proto/base/time.hpp"

namespace tapioca::adversary {

[[nodiscard]] inline instant now()
{
    return instant{std::chrono::duration_cast<duration>(std::chrono::steady_clock::now().time_since_epoch())};
}

} // namespace tapioca::adversary
