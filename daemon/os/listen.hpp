// Listening sockets on all addresses of the host. Only before sealing.
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"

#include <cstdint>

namespace tapioca::os {

enum class stack : std::uint8_t { ipv4, ipv6, dual }; ///< dual: one IPv6 socket that takes IPv4 as well

[[nodiscard]] result<unique_fd> listen_tcp(stack s, std::uint16_t port);
/// With packet information and queued errors switched on.
[[nodiscard]] result<unique_fd> listen_udp(stack s, std::uint16_t port);

} // namespace tapioca::os
