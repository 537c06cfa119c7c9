// One timer a flow, for hundred thousands of flows: a hierarchical wheel (Varghese and Lauck, 1987).
//
// A tick is 2^20 ns, about a millisecond. Four levels of 64 buckets cover 64 ticks, 4096 ticks (4.3 s), 4.6 minutes and 4.9
// hours; what lies further away waits in the last bucket and is put back until it is due. A timer never fires early, and at most
// a tick late; only one that is set for more than 26 days fires after those, as a node has 32 bits for its tick.
#pragma once

#include "proto/base/time.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <span>

namespace tapioca {

class timer_wheel {
public:
    /// One for each flow slot, zeroed.
    struct node {
        std::uint32_t next_plus_one;
        std::uint32_t before; ///< the one before it plus one; of a bucket's first, `first_of` that; 0: not armed
        std::uint32_t due;    ///< the lower half of the tick
    };

    timer_wheel(std::span<node> nodes, instant start) noexcept : nodes_(nodes), now_(floor_tick(start)) {}

    [[nodiscard]] bool armed(std::uint32_t slot) const noexcept { return nodes_[slot].before != 0; }

    /// Arms the slot's timer for `when`, replacing an earlier setting.
    void arm(std::uint32_t slot, instant when) noexcept
    {
        auto& n = nodes_[slot];
        const auto due = static_cast<std::uint32_t>(std::clamp(ceil_tick(when), now_ + 1, now_ + INT32_MAX));
        if (armed(slot)) {
            if (n.due == due)
                return;
            unlink(slot);
        }
        n.due = due;
        link(slot);
    }

    /// Arms the timer unless it is already due no later: for deadlines that are examined again when it fires.
    void arm_no_later(std::uint32_t slot, instant when) noexcept
    {
        if (!armed(slot) || due(slot) > ceil_tick(when))
            arm(slot, when);
    }

    void cancel(std::uint32_t slot) noexcept
    {
        if (armed(slot))
            unlink(slot);
    }

    /// Calls `fire(slot)` for each timer due at `now`; a fired timer is not armed any more and may be armed again by the call.
    template <class Fire>
    void expire(instant now, Fire fire)
    {
        const auto target = floor_tick(now);
        while (now_ < target) {
            const auto next = next_due();
            if (next > target) {
                now_ = target;
                return;
            }
            now_ = next;
            cascade();
            auto& head = heads_[bucket(0, now_)];
            while (head != 0) {
                const auto slot = head - 1;
                unlink(slot);
                if (due(slot) > now_)
                    link(slot);
                else
                    fire(slot);
            }
        }
    }

    /// When expire() must be called next; instant::max() if nothing is armed. May be early, never late.
    [[nodiscard]] instant next() const noexcept
    {
        const auto due = next_due();
        return due == never ? instant::max() : instant{duration{due << tick_bits}};
    }

private:
    static constexpr int tick_bits = 20;
    static constexpr int level_bits = 6;
    static constexpr int levels = 4;
    static constexpr std::int64_t never = INT64_MAX;

    static std::int64_t floor_tick(instant t) noexcept { return t.time_since_epoch().count() >> tick_bits; }
    static std::int64_t ceil_tick(instant t) noexcept
    {
        if (t == instant::max())
            return never;
        return (t.time_since_epoch().count() + (std::int64_t{1} << tick_bits) - 1) >> tick_bits;
    }
    /// Timers are less than 2^31 ticks from now.
    [[nodiscard]] std::int64_t due(std::uint32_t slot) const noexcept
    {
        return now_ + static_cast<std::int32_t>(nodes_[slot].due - static_cast<std::uint32_t>(now_));
    }
    static constexpr std::uint32_t first_of(std::uint32_t bucket) noexcept { return ~bucket; }
    static constexpr bool is_first(const node& n) noexcept { return n.before > INT32_MAX; }

    static std::uint32_t bucket(int level, std::int64_t tick) noexcept
    {
        return static_cast<std::uint32_t>(level << level_bits) + static_cast<std::uint32_t>((tick >> (level * level_bits)) & 63);
    }

    void link(std::uint32_t slot) noexcept
    {
        auto& n = nodes_[slot];
        constexpr std::int64_t furthest = std::int64_t{62} << ((levels - 1) * level_bits); // inside the span of the last level
        const auto tick = std::min(due(slot), now_ + furthest);
        int level = 0;
        while (level + 1 < levels && (tick >> (level * level_bits)) - (now_ >> (level * level_bits)) > 63)
            ++level;
        const auto b = bucket(level, tick);
        n.before = first_of(b);
        n.next_plus_one = heads_[b];
        if (heads_[b] != 0)
            nodes_[heads_[b] - 1].before = slot + 1;
        heads_[b] = slot + 1;
        occupied_[b >> level_bits] |= std::uint64_t{1} << (b & 63);
    }

    void unlink(std::uint32_t slot) noexcept
    {
        auto& n = nodes_[slot];
        if (n.next_plus_one != 0)
            nodes_[n.next_plus_one - 1].before = n.before;
        if (!is_first(n)) {
            nodes_[n.before - 1].next_plus_one = n.next_plus_one;
        } else {
            const auto b = first_of(n.before);
            heads_[b] = n.next_plus_one;
            if (heads_[b] == 0)
                occupied_[b >> level_bits] &= ~(std::uint64_t{1} << (b & 63));
        }
        n.before = 0;
    }

    /// The first tick after now_ at which a bucket of any level comes up.
    [[nodiscard]] std::int64_t next_due() const noexcept
    {
        std::int64_t earliest = never;
        for (int level = 0; level < levels; ++level) {
            const auto bits = occupied_[static_cast<std::size_t>(level)];
            if (bits == 0)
                continue;
            const auto position = now_ >> (level * level_bits);
            const auto first = static_cast<int>((position + 1) & 63);
            const auto steps = std::countr_zero(std::rotr(bits, first)) + 1;
            const auto tick = (position + steps) << (level * level_bits);
            earliest = std::min(earliest, tick);
        }
        return earliest;
    }

    /// Moves the timers of upper-level buckets that begin at now_ down.
    void cascade() noexcept
    {
        for (int level = levels - 1; level > 0; --level) {
            if ((now_ & ((std::int64_t{1} << (level * level_bits)) - 1)) != 0)
                continue;
            auto& head = heads_[bucket(level, now_)];
            std::uint32_t chain = head;
            while (chain != 0) {
                const auto slot = chain - 1;
                chain = nodes_[slot].next_plus_one;
                unlink(slot);
                link(slot);
            }
        }
    }

    std::span<node> nodes_;
    std::int64_t now_; ///< the last tick whose timers have fired
    std::array<std::uint32_t, levels * 64> heads_{};
    std::array<std::uint64_t, levels> occupied_{};
};

/// Ends flows that were silent until `expiry(flow)`. A timer that is due too early, because that has moved, finds out here.
template <class Table, class Expiry, class End>
void expire_silent(timer_wheel& wheel, Table& flows, instant now, Expiry expiry, End end)
{
    wheel.expire(now, [&](std::uint32_t slot) {
        auto* f = flows.at_slot(slot);
        if (f == nullptr)
            return;
        if (const auto due = expiry(*f); now < due)
            wheel.arm(slot, due);
        else
            end(*f);
    });
}

} // namespace tapioca
