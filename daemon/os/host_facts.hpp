// What the kernel says about this machine that no file and no netlink message tells as simply.
#pragma once

#include <string>

namespace tapioca::os {

/// The host's name; empty if the kernel does not tell.
[[nodiscard]] std::string host_name();

/// Whether the kernel has IPv6 sockets at all.
[[nodiscard]] bool has_ipv6();

} // namespace tapioca::os
