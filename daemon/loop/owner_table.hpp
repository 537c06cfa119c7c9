// Which worker owns a flow: hash to owner, one table for all workers. A worker looks here only when a frame belongs to no flow of
// its own.
//
// A word holds 56 bits of the flow's hash and the owner. Each worker enters and removes its own flows with compare-and-swap or a
// store. A flow has two buckets of sixteen words and goes into the one with more room (Azar, Broder, Karlin and Upfal, 1994), so
// that none is refused before the table is full to seven eighths: tests enter 450 000 flows.
//
// Two workers may want one flow in the same instant, in different cells. So a worker enters a claim first, then looks at both
// buckets, and only then makes the claim valid: of two, the later one sees the other. One that is valid wins; of two claims
// that of the lower worker, which takes the other away. Whichever order things happen in, exactly one becomes valid, and nobody
// waits.
#pragma once

#include "daemon/os/arena.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

namespace tapioca {

class owner_table {
public:
    static constexpr std::size_t buckets = 1U << 15;
    static constexpr std::size_t ways = 16;

    owner_table() : memory_(buckets * ways * sizeof(cell)) {}

    [[nodiscard]] std::optional<unsigned> find(std::uint64_t hash) const noexcept
    {
        for (const auto bucket : buckets_of(hash))
            for (const auto& c : bucket) {
                const auto word = c.load(std::memory_order_acquire);
                if ((word & tag_mask) == (hash & tag_mask) && (word & ~tag_mask) != 0 && (word & claim) == 0)
                    return static_cast<unsigned>(word & ~tag_mask) - 1;
            }
        return std::nullopt;
    }

    /// False if both buckets are full, or the flow is another worker's.
    [[nodiscard]] bool enter(std::uint64_t hash, unsigned owner) noexcept
    {
        const auto valid = (hash & tag_mask) | (owner + 1);
        auto candidates = buckets_of(hash);
        if (room_in(candidates[0]) < room_in(candidates[1]))
            std::swap(candidates[0], candidates[1]);
        for (const auto bucket : candidates)
            for (auto& c : bucket) {
                std::uint64_t seen = 0;
                if (c.load(std::memory_order_relaxed) != 0 || !c.compare_exchange_strong(seen, valid | claim))
                    continue;
                const auto outcome = is_contested(hash, owner) ? 0 : valid;
                seen = valid | claim;
                return c.compare_exchange_strong(seen, outcome) && outcome != 0; // it fails if the claim was taken away
            }
        return false;
    }

    /// From an owner to another one, at once.
    void transfer(std::uint64_t hash, unsigned from, unsigned to) noexcept { replace(hash, from, (hash & tag_mask) | (to + 1)); }
    void leave(std::uint64_t hash, unsigned owner) noexcept { replace(hash, owner, 0); }

private:
    using cell = std::atomic<std::uint64_t>;
    static constexpr std::uint64_t tag_mask = ~std::uint64_t{0xff};
    static constexpr std::uint64_t claim = 0x80; ///< not valid yet; owners are below 64

    void replace(std::uint64_t hash, unsigned owner, std::uint64_t word) noexcept
    {
        for (const auto bucket : buckets_of(hash))
            for (auto& c : bucket)
                if (c.load(std::memory_order_relaxed) == ((hash & tag_mask) | (owner + 1)))
                    return c.store(word, std::memory_order_release);
    }

    /// Whether another worker has the flow, or a claim that goes before ours; claims that do not are taken away.
    [[nodiscard]] bool is_contested(std::uint64_t hash, unsigned owner) noexcept
    {
        for (const auto bucket : buckets_of(hash))
            for (auto& c : bucket) {
                auto word = c.load();
                const auto other = word & ~tag_mask & ~claim;
                if ((word & tag_mask) != (hash & tag_mask) || other == 0 || other == owner + 1)
                    continue;
                if ((word & claim) == 0 || other < owner + 1)
                    return true;
                if (!c.compare_exchange_strong(word, 0) && word == ((hash & tag_mask) | other))
                    return true; // it became valid first
            }
        return false;
    }

    [[nodiscard]] static std::size_t room_in(std::span<const cell, ways> bucket) noexcept
    {
        return static_cast<std::size_t>(
            std::ranges::count_if(bucket, [](const cell& c) { return c.load(std::memory_order_relaxed) == 0; }));
    }

    [[nodiscard]] std::array<std::span<cell, ways>, 2> buckets_of(std::uint64_t hash) const noexcept
    {
        auto* cells = reinterpret_cast<cell*>(memory_.bytes().data());
        const auto at = [&](std::uint64_t bits) { return std::span<cell, ways>{cells + bits % buckets * ways, ways}; };
        return {at(hash >> 48), at(hash >> 32)};
    }

    os::arena memory_;
};

} // namespace tapioca
