#include "proto/base/checksum.hpp"

#include <bit>

namespace tapioca {

namespace {

/// From a sum of words as the machine loads them to the sum of words as they are on the wire.
std::uint64_t in_wire_order(std::uint64_t sum) noexcept
{
    const std::uint16_t native = folded(sum);
    if constexpr (std::endian::native == std::endian::little)
        return static_cast<std::uint16_t>(native << 8 | native >> 8);
    return native;
}

/// The sum of the last octets, fewer than eight, while they are copied.
std::uint64_t copy_rest(octet* to, const octet* from, std::size_t left) noexcept
{
    std::uint64_t word = 0;
    std::memcpy(&word, from, left); // zeroes behind an odd octet are what RFC 1071 wants
    std::memcpy(to, &word, left);
    return (word & 0xffffffffU) + (word >> 32);
}

std::uint64_t copy_words(octet* to, const octet* from, std::size_t length) noexcept
{
    std::uint64_t even = 0, odd = 0;
    for (; length >= 16; to += 16, from += 16, length -= 16) {
        std::uint64_t a, b;
        std::memcpy(&a, from, 8);
        std::memcpy(&b, from + 8, 8);
        std::memcpy(to, &a, 8);
        std::memcpy(to + 8, &b, 8);
        even += (a & 0xffffffffU) + (b & 0xffffffffU);
        odd += (a >> 32) + (b >> 32);
    }
    if (length >= 8) {
        even += copy_rest(to, from, 8);
        to += 8, from += 8, length -= 8;
    }
    return even + odd + copy_rest(to, from, length);
}

#ifdef __x86_64__
using four_words = std::uint64_t __attribute__((vector_size(32)));

__attribute__((target("avx2"))) std::uint64_t copy_vectors(octet* to, const octet* from, std::size_t length) noexcept
{
    const four_words low = {0xffffffffU, 0xffffffffU, 0xffffffffU, 0xffffffffU};
    four_words even{}, odd{};
    for (; length >= 64; to += 64, from += 64, length -= 64) {
        four_words a, b;
        std::memcpy(&a, from, 32);
        std::memcpy(&b, from + 32, 32);
        std::memcpy(to, &a, 32);
        std::memcpy(to + 32, &b, 32);
        even += (a & low) + (b & low);
        odd += (a >> 32) + (b >> 32);
    }
    const auto all = even + odd;
    return all[0] + all[1] + all[2] + all[3] + copy_words(to, from, length);
}
#endif

} // namespace

std::uint64_t copy_and_sum(octet* to, bytes_view from, vectors cpu) noexcept
{
#ifdef __x86_64__
    if (cpu == vectors::avx2)
        return in_wire_order(copy_vectors(to, from.data(), from.size()));
#endif
    static_cast<void>(cpu);
    return in_wire_order(copy_words(to, from.data(), from.size()));
}

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
    return in_wire_order(sum);
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
