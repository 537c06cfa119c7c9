// What the kernel says about this machine that no file and no netlink message tells as simply.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace tapioca::os {

/// The host's name; empty if the kernel does not tell.
[[nodiscard]] std::string host_name();

/// Whether the kernel has IPv6 sockets at all.
[[nodiscard]] bool has_ipv6();

/// The whole number that a file of procfs holds; absent where there is no such file, or it holds something else.
[[nodiscard]] std::optional<std::uint32_t> number_in(const std::string& path);

/// First and last of the ports that the kernel gives to sockets that ask for none; absent if it does not tell.
[[nodiscard]] std::optional<std::pair<std::uint16_t, std::uint16_t>> ephemeral_ports();

/// Whether a socket may be bound to an interface: everybody may since Linux 5.7.
[[nodiscard]] bool can_bind_to_interface();

} // namespace tapioca::os
