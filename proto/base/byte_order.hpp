// Integers as they stand on the wire: big-endian, made of octets, alignment 1. Reading one yields host order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tapioca {

template <class Host>
class big_endian {
public:
    big_endian() = default;
    constexpr big_endian(Host value) noexcept
    {
        for (std::size_t i = 0; i < sizeof(Host); ++i)
            octets_[i] = static_cast<std::uint8_t>(value >> (8 * (sizeof(Host) - 1 - i)));
    }

    constexpr operator Host() const noexcept
    {
        Host value = 0;
        for (const auto o : octets_)
            value = static_cast<Host>(static_cast<Host>(value << 8) | o);
        return value;
    }

private:
    std::array<std::uint8_t, sizeof(Host)> octets_;
};

using be16 = big_endian<std::uint16_t>;
using be32 = big_endian<std::uint32_t>;
using be64 = big_endian<std::uint64_t>;

static_assert(sizeof(be16) == 2 && alignof(be64) == 1);
static_assert(be32(0x01020304U) == 0x01020304U);

} // namespace tapioca
