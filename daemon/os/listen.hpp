// Sockets that peers come to.
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"
#include "proto/base/address.hpp"
#include "proto/forward/forward_rule.hpp"

#include <string_view>

namespace tapioca::os {

/// Where to listen.
struct listen_at {
    listen_stack stack = listen_stack::dual; ///< on a kernel without IPv6, dual is IPv4
    ip_address address{};                    ///< unspecified: all of the stack
    std::string_view interface {
    }; ///< empty: any
    std::uint16_t port = 0;
    bool freebind = false; ///< the address need not exist (IP_FREEBIND)
};

[[nodiscard]] result<unique_fd> listen_tcp(const listen_at& at) noexcept;
/// With packet information and queued errors switched on.
[[nodiscard]] result<unique_fd> listen_udp(const listen_at& at) noexcept;

} // namespace tapioca::os
