// What the control plane asks a worker about its flows. It owns the memory; the worker writes into it and allocates nothing.
#pragma once

#include "daemon/plane/plane.hpp"

#include <atomic>
#include <vector>

namespace tapioca {

/// The flows in some slots of one worker. Once `done`, it may be asked again from `next` on.
struct flow_listing final : private flow_visitor {
    static constexpr std::uint32_t most_slots = 256; ///< looked at in one turn

    flow_listing() { found.reserve(most_slots); }

    plane::place from;
    std::optional<plane::place> next; ///< nothing: that was all
    std::vector<flow_view> found;
    std::atomic<bool> done = false;

    /// The worker's part.
    void answer(plane& asked) noexcept
    {
        next = from;
        for (std::size_t kinds = 0; next && found.empty() && kinds < flow_kinds; ++kinds) // most have none
            next = asked.visit_flows(*next, most_slots, *this);
        done.store(true, std::memory_order_release);
    }

private:
    void visit(const flow_view& f) noexcept override
    {
        if (found.size() < found.capacity())
            found.push_back(f);
    }
};

/// One flow is to end.
struct flow_ending {
    flow_kind kind = flow_kind::tcp;
    flow_id id;
    bool found = false;
    std::atomic<bool> done = false;

    void answer(plane& asked, instant now) noexcept
    {
        found = asked.close(kind, id, end_reason::on_request, now);
        done.store(true, std::memory_order_release);
    }
};

} // namespace tapioca
