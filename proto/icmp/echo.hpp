// Echo requests and replies (RFC 792, RFC 4443 section 4): finding the identifier, and giving a reply the one that the guest
// chose.
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/result.hpp"

namespace tapioca {

struct echo_message {
    std::uint16_t identifier = 0, sequence = 0;
};

/// Of an echo request of the family; any other type is `bad_type`, which covers errors that a guest sends.
[[nodiscard]] parsed<echo_message> parse_echo_request(ip_family family, bytes_view icmp) noexcept;

/// Makes an echo request of the family, which parse_echo_request() has accepted, its reply; the checksum is to be made anew.
void turn_into_reply(ip_family family, bytes_span request) noexcept;

/// Makes a received echo reply the guest's: with `identifier`, and a checksum for its way from `source` to `destination`. False
/// if it is no echo reply.
[[nodiscard]] bool readdress_echo_reply(bytes_span icmp, const ip_address& source, const ip_address& destination,
                                        std::uint16_t identifier) noexcept;

} // namespace tapioca
