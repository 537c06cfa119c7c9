#include "proto/base/siphash.hpp"

#include <bit>

namespace tapioca {
namespace {

struct state {
    std::uint64_t v0, v1, v2, v3;

    void round() noexcept
    {
        v0 += v1;
        v1 = std::rotl(v1, 13) ^ v0;
        v0 = std::rotl(v0, 32);
        v2 += v3;
        v3 = std::rotl(v3, 16) ^ v2;
        v0 += v3;
        v3 = std::rotl(v3, 21) ^ v0;
        v2 += v1;
        v1 = std::rotl(v1, 17) ^ v2;
        v2 = std::rotl(v2, 32);
    }

    void absorb(std::uint64_t word) noexcept
    {
        v3 ^= word;
        round();
        round();
        v0 ^= word;
    }
};

std::uint64_t little_endian(const octet* at, std::size_t count) noexcept
{
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < count; ++i)
        word |= std::uint64_t{at[i]} << (8 * i);
    return word;
}

} // namespace

std::uint64_t siphash(siphash_key key, bytes_view message) noexcept
{
    state s{key.k0 ^ 0x736f6d6570736575U, key.k1 ^ 0x646f72616e646f6dU, key.k0 ^ 0x6c7967656e657261U,
            key.k1 ^ 0x7465646279746573U};
    const octet* at = message.data();
    std::size_t left = message.size();
    for (; left >= 8; at += 8, left -= 8)
        s.absorb(little_endian(at, 8));
    s.absorb(std::uint64_t{message.size()} << 56 | little_endian(at, left));
    s.v2 ^= 0xff;
    for (int i = 0; i < 4; ++i)
        s.round();
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

} // namespace tapioca
