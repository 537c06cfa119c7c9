// What a guest's ICMP error says about a datagram that it was sent.
#pragma once

#include "proto/frame/classify.hpp"
#include "proto/frame/flow_key.hpp"

#include <optional>

namespace tapioca {

/// The UDP flow of the datagram that the guest has no port for: of "port unreachable" (RFC 792, RFC 4443 section 3.1) from the
/// node to which the quoted datagram went. Nothing for any other message.
[[nodiscard]] std::optional<flow_key> refused_datagram(const packet& p) noexcept;

} // namespace tapioca
