// Addresses as people write them: RFC 4291 section 2.2 read, RFC 5952 written; IPv4 in dotted decimal.
#pragma once

#include "proto/base/address.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace tapioca {

/// An address of either family, nothing around it.
[[nodiscard]] std::optional<ip_address> address_from_text(std::string_view text);

[[nodiscard]] std::string to_text(const ip_address& address);
[[nodiscard]] std::string to_text(const prefix& network); ///< ADDRESS/LENGTH
[[nodiscard]] std::string to_text(const mac_address& mac);

} // namespace tapioca
