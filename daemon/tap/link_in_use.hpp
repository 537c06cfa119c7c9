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

/// The octets of a link_in_use: the header, and what follows it.
inline void put_link(std::vector<octet>& into, migrate::link_kind kind, bool has_client, bytes_view said, bytes_view from_guest,
                     bytes_view to_guest)
{
    into.resize(sizeof(migrate::link_header) + said.size() + from_guest.size() + to_guest.size());
    writer to{into};
    to.put(migrate::link_header{migrate::format_version, static_cast<octet>(kind), has_client,
                                static_cast<std::uint32_t>(said.size()), static_cast<std::uint32_t>(from_guest.size()),
                                static_cast<std::uint32_t>(to_guest.size())});
    for (const auto part : {said, from_guest, to_guest})
        to.put(part);
}

} // namespace tapioca
