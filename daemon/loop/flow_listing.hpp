// What the control plane asks a worker about its flows. It owns the memory; the worker writes into it and allocates nothing.
#pragma once

#include "daemon/loop/flow_filter.hpp"
#include "daemon/os/tcp_figures.hpp"
#include "daemon/plane/plane.hpp"
#include "daemon/translate/egress.hpp"

#include <atomic>
#include <vector>

namespace tapioca {

/// Of the connection between the host's socket and the peer.
struct socket_details {
    os::tcp_figures tcp;
    endpoint own, peer;
};

struct listed_flow {
    flow_view flow;
    std::optional<socket_details> details;
    egress_verdict egress{}; ///< of the policy in force
};

/// The flows in some slots of one worker. Once `done`, it may be asked again from `next` on.
struct flow_listing final : private flow_visitor {
    static constexpr std::uint32_t most_slots = 256;   ///< looked at in one turn
    static constexpr std::uint32_t most_detailed = 32; ///< likewise, if the kernel is asked about each flow

    flow_listing() { found.reserve(most_slots); }

    flow_filter wanted;
    bool detailed = false;
    plane::place from;
    std::optional<plane::place> next; ///< nothing: that was all
    std::vector<listed_flow> found;
    std::atomic<bool> done = false;

    /// The worker's part.
    void answer(plane& asked, instant now) noexcept
    {
        next = from;
        asked_ = &asked.common();
        for (std::size_t kinds = 0; next && found.empty() && kinds < flow_kinds; ++kinds) // most have none
            next = asked.visit_flows(*next, detailed ? most_detailed : most_slots, *this, now);
        done.store(true, std::memory_order_release);
    }

private:
    void visit(const flow_view& f) noexcept override
    {
        if (wanted.fits(f) && found.size() < found.capacity())
            found.push_back({f, detailed && f.tcp_socket >= 0 ? details_of(f) : std::nullopt, verdict_on(*asked_, f)});
    }
    [[nodiscard]] static std::optional<socket_details> details_of(const flow_view& f) noexcept
    {
        const auto tcp = os::figures_of_tcp(f.tcp_socket);
        if (!tcp)
            return std::nullopt;
        socket_details details{*tcp, {}, f.peer};
        if (const auto own = os::local_endpoint(f.tcp_socket))
            details.own = *own;
        if (f.peer == endpoint{})
            if (const auto peer = os::peer_endpoint(f.tcp_socket))
                details.peer = *peer;
        return details;
    }

    const context* asked_ = nullptr;
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
