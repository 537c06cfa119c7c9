// Requests to the kernel for addresses and routes of an interface, as they are made when it is configured and when its network is
// exchanged. Read first: rtnetlink(7).
#pragma once

#include "daemon/os/rtnetlink.hpp"

#include <vector>

namespace tapioca {

/// `type`: RTM_NEWADDR or RTM_DELADDR.
[[nodiscard]] os::netlink_message address_request(int index, const os::address_entry& entry, std::uint16_t type,
                                                  std::uint16_t flags);

struct route_outcome {
    std::size_t left = 0;          ///< how many the kernel would not take
    boost::system::error_code why; ///< what it said about the last of them
};

/// A route may need another one first (its gateway's), in whatever order the host listed them: what failed is tried again for as
/// long as something else succeeds. One that exists, the kernel made for an address.
[[nodiscard]] route_outcome add_routes(os::netlink_socket& socket, int index, std::vector<os::netlink_message> routes);

} // namespace tapioca
