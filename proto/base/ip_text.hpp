// Addresses between text and value: dotted quads (RFC 1123 section 2.1) and IPv6 (RFC 4291 section 2.2; written as RFC 5952
// says).
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/fixed_vector.hpp"

#include <optional>
#include <string_view>

namespace tapioca {

/// Four decimal numbers without leading zeros, or IPv6 text in any of its forms but for a zone. An IPv4-mapped address is the
/// IPv4 address.
[[nodiscard]] std::optional<ip_address> ip_from_text(std::string_view text) noexcept;

using ip_text = fixed_string<39>; ///< eight groups of four digits between colons

[[nodiscard]] ip_text text_of(const ip_address& address) noexcept;

} // namespace tapioca
