// Addresses between text and value (RFC 4291 section 2.2 and RFC 5952 for IPv6).
#pragma once

#include "proto/base/address.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tapioca {

/// Dotted quad or IPv6 text. An IPv4-mapped IPv6 address is refused: no host sends to one, and an ip_address cannot tell it from
/// IPv4.
[[nodiscard]] std::optional<ip_address> parse_ip(std::string_view text);

/// ADDRESS or ADDRESS/LENGTH; without a length, the address alone.
[[nodiscard]] std::optional<prefix> parse_prefix(std::string_view text);

/// Six pairs of hexadecimal digits between colons.
[[nodiscard]] std::optional<mac_address> parse_mac(std::string_view text);

/// The length of an IPv4 prefix, written as 0 to 32 or as a contiguous dotted mask.
[[nodiscard]] std::optional<std::uint8_t> parse_prefix_length4(std::string_view text);

/// The prefix length that an IPv4 address had before CIDR (RFC 791 section 3.2): 8, 16 or 24 by its class, 32 without one.
[[nodiscard]] std::uint8_t class_prefix_length(const ip_address& address) noexcept;

[[nodiscard]] std::string to_text(const ip_address& address);
[[nodiscard]] std::string to_text(const prefix& network); ///< ADDRESS/LENGTH
[[nodiscard]] std::string to_text(const mac_address& address);

} // namespace tapioca
