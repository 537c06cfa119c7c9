// What the kernel says about this machine that no file and no netlink message tells as simply.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace tapioca::os {

/// The host's name; empty if the kernel does not tell.
[[nodiscard]] std::string host_name();

/// Whether the kernel has IPv6 sockets at all.
[[nodiscard]] bool has_ipv6();

/// The whole number that a file of procfs holds; absent where there is no such file, or it holds something else.
[[nodiscard]] std::optional<std::uint32_t> number_in(const std::string& path);

} // namespace tapioca::os
