// What connections to a port used to carry: most are small, and dearer to move between workers than to serve where they came.
// All workers share what is known, as one may hand over what another one ends. Ports share a few hundred memories, and two
// workers that note something in the same instant may lose one note: a wrong guess costs a little balance, or a little work.
#pragma once

#include "daemon/translate/flow_budget.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace tapioca {

class flow_habits {
public:
    static constexpr std::uint64_t small = std::uint64_t{256} << 10; ///< octets that cost about as much as beginning and ending

    /// A connection has ended; `octets` went through it, both ways.
    void note(flow_origin origin, std::uint16_t port, std::uint64_t octets) noexcept
    {
        auto& memory = memories_[place_of(origin, port)];
        const auto m = memory.load(std::memory_order_relaxed);
        if (octets >= small)
            memory.store(static_cast<std::uint8_t>(m > weight_of_large ? m - weight_of_large : 0), std::memory_order_relaxed);
        else if (m < most)
            memory.store(static_cast<std::uint8_t>(m + 1), std::memory_order_relaxed);
    }
    /// Whether the next one is likely to be small, too. Of an unknown port it is not.
    [[nodiscard]] bool are_small(flow_origin origin, std::uint16_t port) const noexcept
    {
        return memories_[place_of(origin, port)].load(std::memory_order_relaxed) >= enough;
    }

private:
    static constexpr std::uint8_t enough = 8, most = 32, weight_of_large = 16;
    static constexpr std::size_t ports = 256;

    [[nodiscard]] static constexpr std::size_t place_of(flow_origin origin, std::uint16_t port) noexcept
    {
        return (origin == flow_origin::peer ? ports : 0) + ((port ^ port >> 8) & (ports - 1));
    }

    std::array<std::atomic<std::uint8_t>, 2 * ports> memories_{};
};

} // namespace tapioca
