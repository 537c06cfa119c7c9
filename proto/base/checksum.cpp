#include "proto/base/checksum.hpp"

#include <bit>

namespace tapioca {

std::uint64_t ones_sum(bytes_view octets) noexcept
{
    // RFC 1071 section 2 (B): the sum is independent of byte order, so words are added as the machine loads them and swapped
    // once.
    std::uint64_t sum = 0;
    const octet* at = octets.data();
    std::size_t left = octets.size();
    for (; left >= 8; at += 8, left -= 8) {
        std::uint32_t low;
        std::uint32_t high;
        std::memcpy(&low, at, 4);
        std::memcpy(&high, at + 4, 4);
        sum += std::uint64_t{low} + high;
    }
    for (; left >= 2; at += 2, left -= 2) {
        std::uint16_t word;
        std::memcpy(&word, at, 2);
        sum += word;
    }
    if (left == 1) {
        const octet last[2] = {*at, 0};
        std::uint16_t word;
        std::memcpy(&word, last, 2);
        sum += word;
    }
    const std::uint16_t native = folded(sum);
    if constexpr (std::endian::native == std::endian::little)
        return static_cast<std::uint16_t>(native << 8 | native >> 8);
    return native;
}

std::uint64_t pseudo_header_sum(const ip_address& source, const ip_address& destination, std::uint8_t protocol,
                                std::uint32_t length) noexcept
{
    const std::uint64_t rest = std::uint64_t{protocol} + (length >> 16) + (length & 0xffff);
    if (source.is_v4()) {
        const auto s = source.v4_octets();
        const auto d = destination.v4_octets();
        return ones_sum(s) + ones_sum(d) + rest;
    }
    return ones_sum(source.octets()) + ones_sum(destination.octets()) + rest;
}

} // namespace tapioca
