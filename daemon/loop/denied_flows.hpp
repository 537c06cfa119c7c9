// Flows that the egress policy in force denies: the control plane asks for their end after it has exchanged the policy, workers
// end them, some in a turn.
#pragma once

#include "daemon/plane/plane.hpp"

#include <atomic>

namespace tapioca {

struct denied_flows {
    static constexpr std::uint32_t most_slots = 1024; ///< looked at in one turn

    std::optional<plane::place> from = plane::place{}; ///< once `done`, where to go on; nothing: that was all
    std::atomic<bool> done = false;

    void answer(plane& asked, instant now) noexcept
    {
        from = asked.end_denied(*from, most_slots, now);
        done.store(true, std::memory_order_release);
    }
};

} // namespace tapioca
