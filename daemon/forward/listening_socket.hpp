// A socket that waits for peers on behalf of the other side.
#pragma once

#include "daemon/os/unique_fd.hpp"
#include "proto/forward/forward_rule.hpp"

#include <compare>
#include <cstdint>

namespace tapioca {

/// Which listening socket a connection or datagram came through.
struct listener_name {
    rule_side side = rule_side::host;
    std::uint8_t rule = 0;  ///< index among the rules of the side
    std::uint16_t port = 0; ///< its own
    octet protocol = 0;
    auto operator<=>(const listener_name&) const = default;
};

struct listening_socket {
    os::unique_fd fd;
    listener_name name;
};

} // namespace tapioca
