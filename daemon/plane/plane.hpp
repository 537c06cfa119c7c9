// The data plane of one worker without its thread: listening sockets, flows of all kinds, and what they need of link and host.
//
// Its driver gives it events and frames, ends the turn, and asks when the next one is due. The worker does so from its poller;
// tests do it with clocks, kernels and taps of their own.
#pragma once

#include "daemon/translate/ingress.hpp"
#include "daemon/translate/tcp_splice.hpp"
#include "daemon/translate/udp_splice.hpp"

#include <atomic>
#include <memory>

namespace tapioca {

/// Flows of each kind that there is memory for (powers of two; none of it is touched before it is needed), and what they share.
struct plane_sizes {
    std::size_t tcp = tcp_translator::most_flows, udp = udp_translator::most_flows, echo = echo_translator::most_flows;
    std::size_t tcp_splice = tcp_splice::most_flows, udp_splice = udp_splice::most_flows;
    std::size_t tcp_pool = tcp_translator::store_octets;
    std::size_t large_pipes = pipe_pool::large_pipes; ///< ours among the process' large ones
};

class plane {
public:
    /// Reserves all memory; throws std::system_error. What `ctx` refers to outlives the plane.
    plane(const context& ctx, const plane_sizes& sizes, instant start);
    plane(const plane&) = delete;
    plane& operator=(const plane&) = delete;

    /// An event of a flow or of a listening socket.
    void take(const os::event& e, instant now) noexcept;
    /// Frames of the guest, at most tap_queue::most_frames. How many of them were for us, and for no other worker.
    std::size_t process(std::span<const rx_frame> frames, instant now) noexcept { return ingress_.process(frames, now); }
    /// A frame, or a datagram put together from fragments, that another worker received for a flow of ours.
    void take_over(const rx_frame& frame, const detour& way, instant now) noexcept { ingress_.take_over(frame, way, now); }
    void take_over(const packet& reassembled, instant now) noexcept { ingress_.take_over(reassembled, now); }
    /// A connection that a peer has made to a listening socket.
    void take_connection(os::accepted connection, const listener_name& through, instant now) noexcept;
    /// The namespace's sockets may have been replenished.
    void sockets_refilled(instant now) noexcept { tcp_splice_.sockets_refilled(now); }
    /// Expires what is over, moves what is ready, and sends what was put off until here.
    void end_turn(instant now) noexcept;
    /// When the next turn is due without an event; `now` if this one has left something to do.
    [[nodiscard]] instant next_deadline(instant now) const noexcept;
    [[nodiscard]] bool has_ready() const noexcept;

    /// Tells all nodes of the link about the network, unasked.
    void advertise_router() noexcept;
    /// Asks a guest that has come for its Ethernet address.
    void greet_guest() noexcept;

    /// Exchanges what the plane knows, between two turns; `next` is what it knew before then, or nothing if it had borrowed that.
    /// Rules change each in its slot (proto/forward/rule_change.hpp). The secret stays, and what memory was reserved by.
    void adopt(std::shared_ptr<const plane_config>& next) noexcept
    {
        adopted_.swap(next);
        ctx_.config = adopted_.get();
        ctx_.metering.adopt(ctx_.config->egress.get());
        listeners_.follow(ctx_.config->host_rules, ctx_.config->guest_rules);
    }

    // listening.cpp
    /// Sets a descriptor aside for when there are no others left.
    void reserve_spare_fd() noexcept;
    /// Closes it, for something that needs a descriptor at once.
    void give_up_spare_fd() noexcept { spare_ = {}; }
    [[nodiscard]] bool has_spare_fd() const noexcept { return static_cast<bool>(spare_); }
    /// Keeps a socket, which is not listened on before watch_listeners().
    void keep(listening_socket l) noexcept { (void)listeners_.put(std::move(l)); }
    /// Listens on all that were kept, until `stop` says otherwise.
    void watch_listeners(const std::atomic<bool>& stop, instant now) noexcept;
    void listen(listening_socket l, instant now) noexcept { watch(listeners_.put(std::move(l)), now); }
    void stop_listening(const listener_name& name) noexcept { listeners_.remove(name); }
    void rename_listener(const listener_name& from, const listener_name& to, instant now) noexcept;
    /// The last thing that is done with them; several threads may share the work.
    void close_listeners() noexcept { listeners_.clear(); }

    /// A guest that is not there any more will not end what it has not ended.
    [[nodiscard]] leftovers left_over(bool guest_is_there) noexcept;
    /// For the end of the process: resets what is not complete. How many connections.
    std::uint32_t reset_incomplete() noexcept { return tcp_.reset_incomplete() + tcp_splice_.reset_incomplete(); }

    /// The audit log hears of the flows that there are, as they go with the program.
    void audit_what_is_left(instant now) noexcept
    {
        for (auto* flows : sets_)
            flows->audit_what_is_left(now);
    }

    /// Where a listing goes on.
    struct place {
        std::uint8_t kind = 0;
        std::uint32_t slot = 0;
    };
    /// Shows the flows of all kinds in `most` slots from `from` on. Where to go on; nothing: that was all. Flows that begin or
    /// end between two calls may be missed; those that stay are shown once.
    [[nodiscard]] std::optional<place> visit_flows(place from, std::uint32_t most, flow_visitor& visitor, instant now) noexcept;
    // freeze.cpp
    /// From now on nothing moves of TCP, and nobody connects: peers that try, or send something, hear nothing and try again.
    /// Other flows go on. What is frozen may be looked at from outside the worker.
    void freeze() noexcept;
    /// What is frozen goes on elsewhere: connections that are only being made end with a reset.
    void end_handshakes(instant now) noexcept;
    /// As if nothing had been. Peers of connections are heard by whoever could make their sockets deaf.
    void thaw(instant now) noexcept;
    [[nodiscard]] bool is_frozen() const noexcept { return frozen_; }

    /// Ends a flow that visit_flows() has shown. False if it has ended by itself.
    bool close(flow_kind kind, flow_id id, end_reason why, instant now) noexcept
    {
        return !rests(*sets_[static_cast<std::size_t>(kind)]) && sets_[static_cast<std::size_t>(kind)]->close(id, why, now);
    }
    /// Resets connections over the tap that have one of these addresses, of those in `most` slots from `from` on. The
    /// slot to go on from; 0: there is none behind.
    std::uint32_t end_stranded(std::uint32_t from, std::uint32_t most, const lost_addresses& lost, instant now) noexcept
    {
        return frozen_ ? 0 : tcp_.end_stranded(from, most, lost, now);
    }

    // egress.cpp
    /// Ends flows that the egress policy denies now, of those in `most` slots from `from` on. Where to go on; nothing: that was
    /// all.
    [[nodiscard]] std::optional<place> end_denied(place from, std::uint32_t most, instant now) noexcept;

    /// Connections that weigh on the worker.
    [[nodiscard]] std::uint32_t load() const noexcept { return tcp_.live_count() + tcp_splice_.flow_count(); }
    /// Whether there is a flow that is a reason for the worker to stay up.
    [[nodiscard]] bool has_weight() const noexcept;

    [[nodiscard]] const report::rule_counts& by_rule() const noexcept { return by_rule_; }
    [[nodiscard]] context& common() noexcept { return ctx_; }
    [[nodiscard]] tcp_translator& tcp() noexcept { return tcp_; }
    [[nodiscard]] udp_translator& udp() noexcept { return udp_; }
    [[nodiscard]] echo_translator& echo() noexcept { return echo_; }
    [[nodiscard]] tapioca::tcp_splice& tcp_bypass() noexcept { return tcp_splice_; }
    [[nodiscard]] tapioca::udp_splice& udp_bypass() noexcept { return udp_splice_; }
    [[nodiscard]] listener_table& listeners() noexcept { return listeners_; }

private:
    [[nodiscard]] std::optional<place> next_place(place from, std::uint32_t next_slot) const noexcept;

    // egress.cpp
    void end_beyond_quota(instant now) noexcept;

    // listening.cpp
    void watch(std::uint32_t listener, instant now) noexcept;
    void accept_from(std::uint32_t listener, instant now) noexcept;
    void reset_waiting_connection(int listener) noexcept;
    /// Nothing is done with the flows of that kind now.
    [[nodiscard]] bool rests(const flow_set& flows) const noexcept { return frozen_ && &flows == &tcp_; }
    [[nodiscard]] bool pass_on(os::accepted& connection, const listener_name& through) noexcept;

    std::shared_ptr<const plane_config> adopted_; ///< null: as it was given
    context ctx_;
    report::rule_counts by_rule_;
    listener_table listeners_;
    tcp_translator tcp_;
    tapioca::udp_splice udp_splice_;
    udp_translator udp_;
    echo_translator echo_;
    ingress ingress_;
    tapioca::tcp_splice tcp_splice_;
    const std::array<flow_set*, flow_kinds> sets_; ///< by flow_kind
    os::unique_fd spare_;
    bool frozen_ = false;
    std::size_t accepts_ = 1; ///< connections that the next visit to a listener tries to accept, if it comes in the next turn
    std::uint64_t accept_turn_ = 0;     ///< the last one that visited a listener
    std::uint64_t turn_ = 1;            ///< counts turns
    std::optional<place> beyond_quota_; ///< where the end of flows goes on that the egress policy's quota does not let live
};

} // namespace tapioca
