// Flows that are found by id alone: fixed slots that are reused last in, first out, with a generation each, so that an id that
// outlives its flow finds nothing. What was never used is never touched.
#pragma once

#include "proto/flow/key.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>

namespace tapioca {

template <class Flow>
class flow_slab {
    static_assert(std::is_trivially_destructible_v<Flow> && std::is_default_constructible_v<Flow>);

    struct slot {
        Flow flow;
        std::uint32_t generation;
        std::uint32_t next_free; ///< while free: the next free slot; while used: `used`
    };
    static constexpr std::uint32_t none = 0xffffffffU;
    static constexpr std::uint32_t used = 0xfffffffeU;

public:
    [[nodiscard]] static constexpr std::size_t memory_needed(std::size_t capacity) noexcept { return capacity * sizeof(slot); }

    /// `memory`: aligned for any type, memory_needed(capacity), outliving the slab; at most 2^17 flows.
    flow_slab(std::span<std::byte> memory, std::size_t capacity) noexcept
        : slots_(reinterpret_cast<slot*>(memory.data())), capacity_(static_cast<std::uint32_t>(capacity))
    {
    }

    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
    [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }

    /// Null if the slab is full.
    [[nodiscard]] Flow* insert() noexcept
    {
        auto s = free_;
        if (s != none) {
            free_ = slots_[s].next_free;
        } else if (high_water_ < capacity_) {
            s = high_water_++;
            slots_[s].generation = 1;
        } else {
            return nullptr;
        }
        slots_[s].next_free = used;
        ++size_;
        return std::construct_at(&slots_[s].flow);
    }

    void erase(Flow& flow) noexcept
    {
        const auto s = slot_of(flow);
        constexpr std::uint32_t generations = (1U << (32 - flow_id::slot_bits)) - 1;
        slots_[s].generation = slots_[s].generation == generations ? 1 : slots_[s].generation + 1;
        slots_[s].next_free = free_;
        free_ = s;
        --size_;
    }

    [[nodiscard]] Flow* find(flow_id id) noexcept
    {
        const auto s = id.slot();
        if (s >= high_water_ || slots_[s].next_free != used || slots_[s].generation != id.generation())
            return nullptr;
        return &slots_[s].flow;
    }

    [[nodiscard]] flow_id id_of(const Flow& flow) const noexcept
    {
        const auto s = slot_of(flow);
        return {slots_[s].generation << flow_id::slot_bits | s};
    }

    [[nodiscard]] std::uint32_t slot_of(const Flow& flow) const noexcept
    {
        static_assert(std::is_standard_layout_v<slot>);
        return static_cast<std::uint32_t>(reinterpret_cast<const slot*>(&flow) - slots_);
    }
    /// The flow in a slot that is known to be in use: for timers, which are cancelled with their flow.
    [[nodiscard]] Flow* at_slot(std::uint32_t s) noexcept
    {
        return s < high_water_ && slots_[s].next_free == used ? &slots_[s].flow : nullptr;
    }

    template <class Visitor>
    void for_each(Visitor visit)
    {
        for (std::uint32_t s = 0; s < high_water_; ++s)
            if (slots_[s].next_free == used)
                visit(slots_[s].flow);
    }

private:
    slot* slots_;
    std::uint32_t capacity_;
    std::uint32_t size_ = 0, high_water_ = 0, free_ = none;
};

} // namespace tapioca
