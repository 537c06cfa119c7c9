// How much a flow has carried.
#pragma once

#include <cstdint>

namespace tapioca {

/// Payload by whoever sent it, without headers; of echo what stands behind the header of ICMP.
struct flow_octets {
    std::uint64_t from_guest = 0, to_guest = 0;
    constexpr bool operator==(const flow_octets&) const = default;
};

} // namespace tapioca
