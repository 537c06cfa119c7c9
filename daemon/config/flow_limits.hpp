// Limits on what the guest and its peers may have at the same time. All numbers are for the whole process, not per worker.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tapioca {

/// 0: no limit but what tables and descriptors allow.
struct flow_limits {
    std::uint32_t flows = 0; ///< of all kinds together
    std::uint32_t tcp = 0;
    std::uint32_t udp = 0;
    std::uint32_t echo = 0;
    std::uint32_t spliced = 0;   ///< TCP and UDP past the guest's interface
    std::uint32_t new_flows = 0; ///< a second
    std::size_t reassembly = 0;  ///< octets of memory for fragments
};

} // namespace tapioca
