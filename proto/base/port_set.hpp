// A set of ports as 65536 bits, 8 KiB, and what is done with sets a word at a time.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace tapioca {

class port_set {
public:
    static constexpr std::size_t word_bits = 64;
    static constexpr std::size_t word_count = 65536 / word_bits;

    constexpr void set(std::uint16_t port) noexcept { words_[port / word_bits] |= bit(port); }
    constexpr void reset(std::uint16_t port) noexcept { words_[port / word_bits] &= ~bit(port); }
    [[nodiscard]] constexpr bool test(std::uint16_t port) const noexcept { return (words_[port / word_bits] & bit(port)) != 0; }
    constexpr void clear() noexcept { words_ = {}; }
    [[nodiscard]] constexpr bool empty() const noexcept
    {
        return std::all_of(words_.begin(), words_.end(), [](std::uint64_t w) { return w == 0; });
    }

    /// Port p is bit p % 64 of word p / 64.
    [[nodiscard]] constexpr std::uint64_t word(std::size_t index) const noexcept { return words_[index]; }

    constexpr port_set& operator|=(const port_set& other) noexcept
    {
        for (std::size_t i = 0; i < word_count; ++i)
            words_[i] |= other.words_[i];
        return *this;
    }
    /// Removes the ports of the other set.
    constexpr port_set& operator-=(const port_set& other) noexcept
    {
        for (std::size_t i = 0; i < word_count; ++i)
            words_[i] &= ~other.words_[i];
        return *this;
    }

    /// Calls `each` with every port of the set, in ascending order.
    template <class Each>
    constexpr void for_each(Each each) const
    {
        for (std::size_t i = 0; i < word_count; ++i)
            for (std::uint64_t left = words_[i]; left != 0; left &= left - 1)
                each(static_cast<std::uint16_t>(i * word_bits + static_cast<std::size_t>(std::countr_zero(left))));
    }

    constexpr bool operator==(const port_set&) const = default;

private:
    static constexpr std::uint64_t bit(std::uint16_t port) noexcept { return std::uint64_t{1} << (port % word_bits); }

    std::array<std::uint64_t, word_count> words_{};
};

/// The ports that are bound on one side: TCP sockets that listen, UDP sockets without a peer.
struct bound_ports {
    port_set tcp, udp;
};

} // namespace tapioca
