// Whether the datagrams of a flow come so fast that it is cheaper to look for them now and then than to be woken for each few:
// what network devices know as interrupt moderation. A burst alone is no such flow, as it is the rate over a whole period that
// counts.
#pragma once

#include "proto/base/time.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace tapioca {

class arrival_rate {
public:
    static constexpr std::uint32_t period = 250; ///< microseconds
    static constexpr std::uint32_t many = 16;    ///< in a period

    /// So many datagrams have come. True if those of the last whole period were many.
    constexpr bool add(instant now, std::size_t datagrams) noexcept
    {
        const auto at = static_cast<std::uint32_t>(now.time_since_epoch().count() / 1000); // may wrap: it is a rate
        constexpr std::uint32_t most = std::numeric_limits<std::uint32_t>::max() >> 1;
        count_ = static_cast<std::uint32_t>(std::min<std::size_t>(count_ + datagrams, most)) & most;
        if (const std::uint32_t passed = at - since_; passed >= period) {
            fast_ = count_ >= passed / period * many;
            since_ = at;
            count_ = 0;
        }
        return fast_;
    }

private:
    std::uint32_t since_ = 0; ///< microseconds
    std::uint32_t count_ : 31 = 0;
    std::uint32_t fast_ : 1 = 0;
};
static_assert(sizeof(arrival_rate) == 8);

} // namespace tapioca
