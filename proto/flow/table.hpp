// The flows of one kind in one worker: a slab of fixed slots and a hash index from flow_key to slot.
//
// Slots never move, so a flow may be kept by id; a slot's generation changes when its flow begins and when it ends, so an id that
// outlives its flow finds nothing. Free slots are reused last in, first out, and the slab grows from its lower end: what was
// never used is never touched.
//
// The index is linear hashing (Litwin, 1980): chains through the slots, and two buckets for each slot that was ever used. A slot
// that is used for the first time splits two buckets, so there is never a rehash, and few flows touch few pages: an index of full
// size from the beginning would have a page touched by almost every new flow.
#pragma once

#include "proto/flow/key.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>

namespace tapioca {

template <class Flow>
class flow_table {
    static_assert(std::is_trivially_copyable_v<Flow> && std::is_default_constructible_v<Flow>);

    /// One plus a slot; 0: none.
    using link = std::uint32_t;

    struct slot {
        std::uint32_t hash;
        /// The generation, odd while the slot is used, and the next slot of the bucket, or of those that are free; at the end of
        /// either chain the slot itself.
        flow_id state;
        Flow flow;
    };

public:
    static constexpr std::size_t octets_of_flow = sizeof(slot) + 2 * sizeof(link);

    /// Octets for `capacity` flows: a power of two up to 2^17.
    [[nodiscard]] static constexpr std::size_t memory_needed(std::size_t capacity) noexcept { return capacity * octets_of_flow; }

    /// `memory`: zeroed, aligned for any type, at least memory_needed(capacity), outliving the table.
    flow_table(std::span<std::byte> memory, std::size_t capacity, siphash_key secret) noexcept
        : slots_(reinterpret_cast<slot*>(memory.data())),
          buckets_(reinterpret_cast<link*>(memory.data() + capacity * sizeof(slot))),
          capacity_(static_cast<std::uint32_t>(capacity)), secret_(secret)
    {
    }

    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
    [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }

    [[nodiscard]] Flow* find(flow_id id) noexcept
    {
        const auto s = id.slot();
        if (s >= high_water_ || !is_used(s) || slots_[s].state.generation() != id.generation())
            return nullptr;
        return &slots_[s].flow;
    }

    [[nodiscard]] Flow* find(const flow_key& key) noexcept
    {
        return find(key, [](const Flow&) { return true; });
    }
    /// Of those with that key, one that `is_wanted`.
    template <class Predicate>
    [[nodiscard]] Flow* find(const flow_key& key, Predicate is_wanted) noexcept
    {
        const auto hash = short_hash(key);
        for (auto at = buckets_[bucket_of(hash)]; at != 0; at = behind(at - 1)) {
            auto& s = slots_[at - 1];
            if (s.hash == hash && s.flow.key == key && is_wanted(s.flow))
                return &s.flow;
        }
        return nullptr;
    }

    /// A fresh flow; null if the table is full. If the key is another one's as well, find() needs more to tell them apart.
    [[nodiscard]] Flow* insert(const flow_key& key) noexcept
    {
        std::uint32_t s = 0;
        if (free_ != 0) {
            s = free_ - 1;
            free_ = behind(s);
        } else if (high_water_ < capacity_) {
            s = high_water_++;
            while (bucket_count_ < 2 * high_water_)
                split();
        } else {
            return nullptr;
        }
        auto& place = slots_[s];
        std::construct_at(&place.flow);
        place.flow.key = key;
        place.hash = short_hash(key);
        next_generation(s);
        put_first(buckets_[bucket_of(place.hash)], s);
        ++size_;
        return &place.flow;
    }

    /// Its key leads to it no more, and may be another one's; its id does until it is erased.
    void detach(Flow& flow) noexcept
    {
        const auto s = slot_of(flow);
        const auto next = behind(s);
        auto& first = buckets_[bucket_of(slots_[s].hash)];
        if (first == s + 1)
            first = next;
        for (auto at = first; at != 0; at = behind(at - 1))
            if (behind(at - 1) == s + 1)
                set_behind(at - 1, next);
        set_behind(s, 0);
    }

    void erase(Flow& flow) noexcept
    {
        const auto s = slot_of(flow);
        detach(flow);
        next_generation(s);
        put_first(free_, s);
        --size_;
    }

    [[nodiscard]] std::uint32_t slot_of(const Flow& flow) const noexcept
    {
        const auto offset = reinterpret_cast<const std::byte*>(&flow) - reinterpret_cast<const std::byte*>(&slots_->flow);
        return static_cast<std::uint32_t>(static_cast<std::size_t>(offset) / sizeof(slot));
    }
    [[nodiscard]] flow_id id_of(const Flow& flow) const noexcept
    {
        const auto s = slot_of(flow);
        return {(slots_[s].state.value & ~flow_id::slot_mask) | s};
    }
    /// The flow in a slot that is known to be in use: for timers, which are cancelled with their flow.
    [[nodiscard]] Flow* at_slot(std::uint32_t s) noexcept { return s < high_water_ && is_used(s) ? &slots_[s].flow : nullptr; }
    [[nodiscard]] std::uint64_t hash(const Flow& flow) const noexcept { return hash_of(flow.key, secret_); }

    template <class Visitor>
    void for_each(Visitor visit)
    {
        (void)for_some(0, capacity_, visit);
    }
    /// Visits the flows in `most` slots from `from` on. The slot to go on from; 0: there is none behind.
    template <class Visitor>
    std::uint32_t for_some(std::uint32_t from, std::uint32_t most, Visitor visit)
    {
        std::uint32_t s = from;
        for (; s < high_water_ && s - from < most; ++s)
            if (is_used(s))
                visit(slots_[s].flow);
        return s < high_water_ ? s : 0;
    }

private:
    [[nodiscard]] std::uint32_t short_hash(const flow_key& key) const noexcept
    {
        return static_cast<std::uint32_t>(hash_of(key, secret_));
    }
    /// A bucket that this doubling has not come to yet serves for its other half, too.
    [[nodiscard]] std::uint32_t bucket_of(std::uint32_t hash) const noexcept
    {
        const auto b = hash & (2 * round_ - 1);
        return b < bucket_count_ ? b : b - round_;
    }
    /// Adds a bucket: the other half of one of the doubling before.
    void split() noexcept
    {
        const auto from = bucket_count_ - round_;
        auto chain = buckets_[from];
        buckets_[from] = 0;
        while (chain != 0) {
            const auto s = chain - 1;
            chain = behind(s);
            put_first(buckets_[slots_[s].hash & (2 * round_ - 1)], s);
        }
        if (++bucket_count_ == 2 * round_)
            round_ = bucket_count_;
    }

    [[nodiscard]] bool is_used(std::uint32_t s) const noexcept { return (slots_[s].state.generation() & 1) != 0; }
    void next_generation(std::uint32_t s) noexcept { slots_[s].state.value += flow_id::slot_mask + 1; } // it wraps to 0: even
    [[nodiscard]] link behind(std::uint32_t s) const noexcept
    {
        const auto next = slots_[s].state.slot();
        return next == s ? 0 : next + 1;
    }
    void set_behind(std::uint32_t s, link next) noexcept
    {
        slots_[s].state.value = (slots_[s].state.value & ~flow_id::slot_mask) | (next == 0 ? s : next - 1);
    }
    void put_first(link& chain, std::uint32_t s) noexcept
    {
        set_behind(s, chain);
        chain = s + 1;
    }

    slot* slots_;
    link* buckets_;
    std::uint32_t capacity_;
    std::uint32_t size_ = 0, high_water_ = 0;
    link free_ = 0;
    std::uint32_t bucket_count_ = 2, round_ = 2; ///< buckets at the beginning of this doubling: a power of two
    siphash_key secret_;
};

} // namespace tapioca
