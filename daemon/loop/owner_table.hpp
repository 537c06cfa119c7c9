// Which worker owns a flow: hash to owner, one table for all workers. A worker looks here only when a frame belongs to no flow of
// its own.
//
// Buckets of eight words; a word holds 56 bits of the flow's hash and the owner. Each worker enters and removes its own flows
// with one compare-and-swap or store; readers look at one cache line. A bucket that is full refuses the flow.
#pragma once

#include "daemon/os/arena.hpp"

#include <atomic>
#include <cstdint>
#include <optional>

namespace tapioca {

class owner_table {
public:
    static constexpr std::size_t buckets = 1U << 16;
    static constexpr std::size_t ways = 8;

    owner_table() : memory_(buckets * ways * sizeof(cell)) {}

    [[nodiscard]] std::optional<unsigned> find(std::uint64_t hash) const noexcept
    {
        for (const auto& c : bucket(hash)) {
            const auto word = c.load(std::memory_order_acquire);
            if ((word & tag_mask) == (hash & tag_mask) && (word & ~tag_mask) != 0)
                return static_cast<unsigned>(word & ~tag_mask) - 1;
        }
        return std::nullopt;
    }

    /// False if the bucket is full.
    [[nodiscard]] bool enter(std::uint64_t hash, unsigned owner) noexcept
    {
        for (auto& c : bucket(hash)) {
            std::uint64_t empty = 0;
            if (c.load(std::memory_order_relaxed) == 0 &&
                c.compare_exchange_strong(empty, (hash & tag_mask) | (owner + 1), std::memory_order_release))
                return true;
        }
        return false;
    }

    void leave(std::uint64_t hash, unsigned owner) noexcept
    {
        for (auto& c : bucket(hash)) {
            if (c.load(std::memory_order_relaxed) == ((hash & tag_mask) | (owner + 1)))
                return c.store(0, std::memory_order_release);
        }
    }

private:
    using cell = std::atomic<std::uint64_t>;
    static constexpr std::uint64_t tag_mask = ~std::uint64_t{0xff};

    [[nodiscard]] std::span<cell, ways> bucket(std::uint64_t hash) const noexcept
    {
        auto* cells = reinterpret_cast<cell*>(memory_.bytes().data());
        return std::span<cell, ways>{cells + (hash >> 48) % buckets * ways, ways};
    }

    os::arena memory_;
};

} // namespace tapioca
