// The Internet checksum (RFC 1071), its pseudo-headers (RFC 9293 section 3.1, RFC 8200 section 8.1) and its update (RFC 1624).
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/bytes.hpp"

#include <cstdint>

namespace tapioca {

/// One's complement sum of 16-bit words, not folded, not inverted; an odd last octet counts as the high half of a word.
/// Sums add: sum(a) + sum(b) is the sum of a followed by b if a has an even length.
[[nodiscard]] std::uint64_t ones_sum(bytes_view octets) noexcept;

/// What the CPU adds and moves at once; the caller knows what it runs on.
enum class vectors : std::uint8_t { none, avx2 };

/// Copies `from` to `to`, which has the room and does not overlap, and returns its ones_sum(): both in one pass over the octets.
[[nodiscard]] std::uint64_t copy_and_sum(octet* to, bytes_view from, vectors cpu) noexcept;

/// The checksum field for a sum: folded to 16 bits and inverted, in host order.
[[nodiscard]] constexpr std::uint16_t folded(std::uint64_t sum) noexcept
{
    sum = (sum & 0xffffffffU) + (sum >> 32);
    sum = (sum & 0xffffffffU) + (sum >> 32);
    sum = (sum & 0xffffU) + (sum >> 16);
    sum = (sum & 0xffffU) + (sum >> 16);
    return static_cast<std::uint16_t>(sum);
}
[[nodiscard]] constexpr std::uint16_t checksum_of(std::uint64_t sum) noexcept { return static_cast<std::uint16_t>(~folded(sum)); }

/// The pseudo-header's sum for an upper layer of `length` octets in the addresses' common family.
[[nodiscard]] std::uint64_t pseudo_header_sum(const ip_address& source, const ip_address& destination, std::uint8_t protocol,
                                              std::uint32_t length) noexcept;

/// RFC 1624 equation 3: the checksum after one 16-bit word of its data changed from `before` to `after`.
[[nodiscard]] constexpr std::uint16_t adjusted(std::uint16_t checksum, std::uint16_t before, std::uint16_t after) noexcept
{
    return checksum_of(std::uint64_t{static_cast<std::uint16_t>(~checksum)} + static_cast<std::uint16_t>(~before) + after);
}
static_assert(adjusted(0xdd2f, 0x5555, 0x3285) == 0x0000); // the example of RFC 1624 section 4

} // namespace tapioca
