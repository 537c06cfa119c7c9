// What a worker counts of each forwarding rule, by the rule's slot. One writer, relaxed atomics, summed by the reader. Its memory
// is backed as slots are used: most instances have few rules.
#pragma once

#include "daemon/os/arena.hpp"
#include "proto/forward/forward_rule.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace tapioca::report {

struct rule_totals {
    std::uint64_t flows = 0; ///< that came through the rule, whatever became of them
    /// Payload: of TCP what the guest has acknowledged, and what the socket has taken.
    std::uint64_t octets_to_guest = 0, octets_from_guest = 0;
};

constexpr rule_totals operator+(const rule_totals& a, const rule_totals& b) noexcept
{
    return {a.flows + b.flows, a.octets_to_guest + b.octets_to_guest, a.octets_from_guest + b.octets_from_guest};
}
constexpr rule_totals operator-(const rule_totals& a, const rule_totals& b) noexcept
{
    return {a.flows - b.flows, a.octets_to_guest - b.octets_to_guest, a.octets_from_guest - b.octets_from_guest};
}

class rule_counts {
public:
    rule_counts() : memory_(2 * forward_rules::capacity() * sizeof(cells)), cells_(memory_.as<cells>()) {}

    void add_flow(rule_side side, std::size_t slot) noexcept { bump(at(side, slot), flows, 1); }
    void add_octets_to_guest(rule_side side, std::size_t slot, std::size_t n) noexcept { bump(at(side, slot), to_guest, n); }
    void add_octets_from_guest(rule_side side, std::size_t slot, std::size_t n) noexcept { bump(at(side, slot), from_guest, n); }

    /// From any thread.
    [[nodiscard]] rule_totals of(rule_side side, std::size_t slot) const noexcept
    {
        auto& c = at(side, slot);
        const auto read = [&c](what w) { return std::atomic_ref{c[w]}.load(std::memory_order_relaxed); };
        return {read(flows), read(to_guest), read(from_guest)};
    }

private:
    enum what : std::uint8_t { flows, to_guest, from_guest };
    using cells = std::array<std::uint64_t, 3>;

    [[nodiscard]] cells& at(rule_side side, std::size_t slot) const noexcept
    {
        return cells_[(side == rule_side::host ? 0 : forward_rules::capacity()) + slot];
    }
    /// One writer: a load and a store, no locked instruction.
    static void bump(cells& c, what w, std::uint64_t n) noexcept
    {
        std::atomic_ref cell{c[w]};
        cell.store(cell.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }

    os::arena memory_;
    std::span<cells> cells_;
};

} // namespace tapioca::report
