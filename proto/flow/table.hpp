// The flows of one kind in one worker: a slab of fixed slots and a hash index from flow_key to slot.
//
// Slots never move, so a flow may be kept by id; a slot's generation changes when its flow ends, so an id that outlives its flow
// finds nothing. Free slots are reused last in, first out, and the slab grows from its lower end: what was never used is never
// touched. The index is an open-addressing table with linear probing whose removals shift back, so there are no tombstones to
// sweep.
#pragma once

#include "proto/flow/key.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>

namespace tapioca {

template <class Flow>
class flow_table {
    static_assert(std::is_trivially_destructible_v<Flow> && std::is_default_constructible_v<Flow>);

    struct slot {
        Flow flow;
        std::uint32_t generation;
        std::uint32_t next_free; ///< while free: the next free slot; while used: `used`
        std::uint64_t hash;
    };
    struct entry {
        std::uint32_t tag; ///< the upper half of the hash
        std::uint32_t slot_plus_one;
    };

    static constexpr std::uint32_t none = 0xffffffffU;
    static constexpr std::uint32_t used = 0xfffffffeU;

public:
    /// Octets for `capacity` flows: a power of two up to 2^17.
    [[nodiscard]] static constexpr std::size_t memory_needed(std::size_t capacity) noexcept
    {
        return capacity * sizeof(slot) + 2 * capacity * sizeof(entry);
    }

    /// `memory`: zeroed, aligned for any type, at least memory_needed(capacity), outliving the table.
    flow_table(std::span<std::byte> memory, std::size_t capacity, siphash_key secret) noexcept
        : slots_(reinterpret_cast<slot*>(memory.data())),
          entries_(reinterpret_cast<entry*>(memory.data() + capacity * sizeof(slot))),
          capacity_(static_cast<std::uint32_t>(capacity)), mask_(static_cast<std::uint32_t>(2 * capacity - 1)), secret_(secret)
    {
    }

    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
    [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }

    [[nodiscard]] Flow* find(flow_id id) noexcept
    {
        const auto s = id.slot();
        if (s >= high_water_ || slots_[s].next_free != used || slots_[s].generation != id.generation())
            return nullptr;
        return &slots_[s].flow;
    }

    [[nodiscard]] Flow* find(const flow_key& key) noexcept
    {
        const auto hash = hash_of(key, secret_);
        for (auto at = home(hash);; at = (at + 1) & mask_) {
            const auto& e = entries_[at];
            if (e.slot_plus_one == 0)
                return nullptr;
            auto& s = slots_[e.slot_plus_one - 1];
            if (e.tag == tag(hash) && s.flow.key == key)
                return &s.flow;
        }
    }

    /// A fresh flow under a key that is not in the table; null if the table is full.
    [[nodiscard]] Flow* insert(const flow_key& key) noexcept
    {
        std::uint32_t s = free_;
        if (s != none) {
            free_ = slots_[s].next_free;
        } else if (high_water_ < capacity_) {
            s = high_water_++;
            slots_[s].generation = 1;
        } else {
            return nullptr;
        }
        auto& place = slots_[s];
        std::construct_at(&place.flow);
        place.flow.key = key;
        place.next_free = used;
        place.hash = hash_of(key, secret_);
        auto at = home(place.hash);
        while (entries_[at].slot_plus_one != 0)
            at = (at + 1) & mask_;
        entries_[at] = {tag(place.hash), s + 1};
        ++size_;
        return &place.flow;
    }

    void erase(Flow& flow) noexcept
    {
        const auto s = slot_of(flow);
        auto at = home(slots_[s].hash);
        while (entries_[at].slot_plus_one != s + 1)
            at = (at + 1) & mask_;
        close_gap(at);
        constexpr std::uint32_t generations = (1U << (32 - flow_id::slot_bits)) - 1;
        slots_[s].generation = slots_[s].generation == generations ? 1 : slots_[s].generation + 1;
        slots_[s].next_free = free_;
        free_ = s;
        --size_;
    }

    [[nodiscard]] std::uint32_t slot_of(const Flow& flow) const noexcept
    {
        static_assert(std::is_standard_layout_v<slot>);
        return static_cast<std::uint32_t>(reinterpret_cast<const slot*>(&flow) - slots_);
    }
    [[nodiscard]] flow_id id_of(const Flow& flow) const noexcept
    {
        const auto s = slot_of(flow);
        return {slots_[s].generation << flow_id::slot_bits | s};
    }
    /// The flow in a slot that is known to be in use: for timers, which are cancelled with their flow.
    [[nodiscard]] Flow* at_slot(std::uint32_t s) noexcept
    {
        return s < high_water_ && slots_[s].next_free == used ? &slots_[s].flow : nullptr;
    }
    [[nodiscard]] std::uint64_t hash(const Flow& flow) const noexcept { return slots_[slot_of(flow)].hash; }

    template <class Visitor>
    void for_each(Visitor visit)
    {
        for (std::uint32_t s = 0; s < high_water_; ++s)
            if (slots_[s].next_free == used)
                visit(slots_[s].flow);
    }

private:
    [[nodiscard]] std::uint32_t home(std::uint64_t hash) const noexcept { return static_cast<std::uint32_t>(hash) & mask_; }
    [[nodiscard]] static std::uint32_t tag(std::uint64_t hash) noexcept { return static_cast<std::uint32_t>(hash >> 32); }

    /// Empties entry `gap` and moves later entries of its probe sequences back, so that none is cut off from its home.
    void close_gap(std::uint32_t gap) noexcept
    {
        for (auto at = (gap + 1) & mask_; entries_[at].slot_plus_one != 0; at = (at + 1) & mask_) {
            const auto from_home = (at - home(slots_[entries_[at].slot_plus_one - 1].hash)) & mask_;
            if (from_home >= ((at - gap) & mask_)) {
                entries_[gap] = entries_[at];
                gap = at;
            }
        }
        entries_[gap] = {};
    }

    slot* slots_;
    entry* entries_;
    std::uint32_t capacity_, mask_;
    std::uint32_t size_ = 0, high_water_ = 0, free_ = none;
    siphash_key secret_;
};

} // namespace tapioca
