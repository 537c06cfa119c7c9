// Connections whose address the host or the guest does not have any more: the control plane says which, workers end them, some in
// a turn.
#pragma once

#include "daemon/plane/plane.hpp"

#include <atomic>
#include <vector>

namespace tapioca {

struct stranded_flows {
    static constexpr std::uint32_t most_slots = 1024; ///< looked at in one turn; a system call for each connection there

    std::vector<ip_address> gone;       ///< of the host
    std::vector<ip_address> guest_lost; ///< of the guest
    std::uint32_t from = 0;             ///< once `done`, where to go on; 0: that was all
    std::atomic<bool> done = false;

    void answer(plane& asked, instant now) noexcept
    {
        from = asked.end_stranded(from, most_slots, {gone, guest_lost}, now);
        done.store(true, std::memory_order_release);
    }
};

} // namespace tapioca
