// What a device has of a guest that comes and goes, between two turns: for a process that takes our place.
#pragma once

#include "daemon/os/unique_fd.hpp"
#include "proto/migrate/link_state.hpp"

#include <span>
#include <string_view>
#include <vector>

namespace tapioca {

/// Octets are migrate::link_header and what follows it; descriptors stay the device's.
struct link_in_use {
    std::vector<octet> octets;
    std::vector<int> descriptors;
    std::string_view why = {}; ///< it cannot be moved now
};

} // namespace tapioca
