// What the translators of one worker share: its configuration, its link, its descriptors, its books.
#pragma once

#include "daemon/config/plane_config.hpp"
#include "daemon/forward/listener_table.hpp"
#include "daemon/os/poller.hpp"
#include "daemon/report/audit_ring.hpp"
#include "daemon/report/counters.hpp"
#include "daemon/report/event_ring.hpp"
#include "daemon/report/event_source.hpp"
#include "daemon/report/rate_limit.hpp"
#include "daemon/report/rule_counts.hpp"
#include "daemon/tap/tap_queue.hpp"
#include "daemon/translate/egress_metering.hpp"
#include "daemon/translate/guest_link.hpp"
#include "daemon/translate/kind_facts.hpp"
#include "daemon/translate/namespace_sockets.hpp"
#include "daemon/translate/other_workers.hpp"
#include "proto/flow/head.hpp"
#include "proto/forward/resolver_choice.hpp"
#include "proto/frame/classify.hpp"
#include "proto/frame/emit.hpp"
#include "proto/wire/protocol.hpp"

#include <atomic>
#include <span>
#include <utility>

namespace tapioca {

/// A frame of the guest with what classify() found in it.
struct guest_packet {
    tapioca::packet packet;
    wire::virtio_net_header vnet;
    const rx_frame* whole = nullptr; ///< null: it came in fragments
};

struct context {
    const plane_config* config; ///< never null; exchanged between two turns
    tap_way tap;
    os::poller& poller;
    report::counters& counters;
    report::event_ring& events;
    guest_link& guest;
    other_workers* others = nullptr;                ///< null: there is one worker
    namespace_sockets* in_namespace = nullptr;      ///< null: nothing is spliced
    std::size_t datagram_sockets = 0;               ///< of UDP and echo: config.datagram_sockets at most
    const listener_table* listeners = nullptr;      ///< null: nothing listens
    report::rule_counts* by_rule = nullptr;         ///< null: nobody wants to know
    flow_budget* budget = nullptr;                  ///< of all workers; null: no limits
    egress_metering metering{};                     ///< of the policy in `config`
    report::audit_ring* audit = nullptr;            ///< null: there is no audit log
    const std::atomic<bool>* watched = nullptr;     ///< whether somebody watches flows beside the log; null: nobody
    std::array<resolver_choice, 2> resolvers{};     ///< of our name service, by ip_family; see resolvers_of()
    std::span<const guest_packet* const> at_hand{}; ///< the guest's packets that are dealt with: what is dropped is one of them
    std::array<report::rate_limit, static_cast<std::size_t>(report::event_kind::count_)> said{}; ///< of each kind, to the log

    /// The socket of that name; -1 if it listens no more.
    [[nodiscard]] int descriptor_of(const listener_name& name) const noexcept
    {
        const auto* l = listeners == nullptr ? nullptr : listeners->find(name);
        return l == nullptr ? -1 : l->fd();
    }

    [[nodiscard]] link_ends link() const noexcept { return {config->net.our_mac, guest.mac()}; }
    /// To the guest, or to a group that it may belong to.
    [[nodiscard]] link_ends link_to(const ip_address& destination) const noexcept
    {
        return destination.is_multicast() ? link_ends{config->net.our_mac, wire::multicast_mac(destination)} : link();
    }
    /// Whether somebody watches flows, and the log or somebody wants to know of each.
    [[nodiscard]] bool is_watched() const noexcept { return watched != nullptr && watched->load(std::memory_order_relaxed); }
    [[nodiscard]] bool reports_flows() const noexcept { return config->report_flows || is_watched(); }
    /// Whether somebody wants to know what each has carried.
    [[nodiscard]] bool wants_octets() const noexcept { return audit != nullptr || reports_flows(); }
    /// False: what must be recorded could not be at present, so that no flow may begin.
    [[nodiscard]] bool may_record() const noexcept { return audit == nullptr || audit->admits(); }
    void report(report::event_kind kind, instant now, const flow_key& key, int error = 0, const endpoint& accepted_at = {},
                end_reason why = end_reason::finished, const char* words = nullptr) noexcept
    {
        report({now, kind, error, key, accepted_at, why, words});
    }
    void report(const report::worker_event& event) noexcept
    {
        const auto kind = event.kind;
        const auto now = event.when;
        if (report::is_routine(kind) && !reports_flows())
            return;
        // A flood must not keep the control plane busy.
        if (report::is_provoked(kind) &&
            said[static_cast<std::size_t>(kind)].ask(now).what == report::rate_limit::verdict::suppress)
            return;
        if (!events.push(event))
            counters.add(report::counter::events_lost);
    }
    /// Sets so many aside for a flow. False, which is counted, if UDP and echo have their share of the descriptors.
    [[nodiscard]] bool reserve_datagram_sockets(std::size_t count) noexcept
    {
        if (datagram_sockets + count > config->datagram_sockets) {
            counters.drop(drop_reason::datagram_share);
            return false;
        }
        datagram_sockets += count;
        return true;
    }
    void release_datagram_sockets(std::size_t count) noexcept { datagram_sockets -= count; }
    /// One flow of that kind may be had now, with its socket. False, which is counted, if a limit says no.
    [[nodiscard]] bool admit(flow_kind kind, flow_origin origin, instant now) noexcept
    {
        auto why = budget == nullptr ? std::nullopt : budget->refuses(facts_of(kind).share, counted_as(kind, origin), now);
        if (!why && crosses_tap(kind) && exceeds_egress_limits(origin, 1, now)) {
            if (budget != nullptr)
                budget->release(facts_of(kind).share, counted_as(kind, origin));
            why = drop_reason::egress_limit;
        }
        if (why)
            counters.drop(*why);
        if (why || reserve_datagram_sockets(facts_of(kind).datagram_sockets))
            return !why;
        if (budget != nullptr)
            budget->release(facts_of(kind).share, counted_as(kind, origin));
        return false;
    }
    void release(flow_kind kind, flow_origin origin) noexcept
    {
        release_datagram_sockets(facts_of(kind).datagram_sockets);
        if (budget != nullptr)
            budget->release(facts_of(kind).share, counted_as(kind, origin));
    }
    /// Whether the egress policy has no room for another flow over the tap, `counted` of which are counted already.
    [[nodiscard]] bool exceeds_egress_limits(flow_origin origin, std::uint32_t counted, instant now) const noexcept
    {
        const auto* egress = config->egress.get();
        if (egress == nullptr)
            return false;
        const auto most = egress->limits.connections;
        return (most != 0 && origin == flow_origin::guest && budget != nullptr && budget->count_of_guest() - counted >= most) ||
               (metering.is_on() && metering.is_used_up(now));
    }
    /// Whether flows of that kind have all that there is for them.
    [[nodiscard]] bool is_full(flow_kind kind) const noexcept
    {
        const bool datagrams = kind == flow_kind::udp || kind == flow_kind::echo;
        return (budget != nullptr && budget->is_full(facts_of(kind).share)) ||
               (datagrams && datagram_sockets >= config->datagram_sockets);
    }
    /// Past the tap both sides are alike.
    [[nodiscard]] static constexpr flow_origin counted_as(flow_kind kind, flow_origin origin) noexcept
    {
        return crosses_tap(kind) ? origin : flow_origin::guest;
    }
    /// What came through a forwarding rule is counted for it.
    void count_flow(const flow_head& f) noexcept
    {
        if (f.rule != flow_head::no_rule && by_rule != nullptr)
            by_rule->add_flow(side_of(f), f.rule);
    }
    void count_to_guest(const flow_head& f, std::size_t octets) noexcept
    {
        if (f.rule != flow_head::no_rule && by_rule != nullptr)
            by_rule->add_octets_to_guest(side_of(f), f.rule, octets);
    }
    void count_from_guest(const flow_head& f, std::size_t octets) noexcept
    {
        if (f.rule != flow_head::no_rule && by_rule != nullptr)
            by_rule->add_octets_from_guest(side_of(f), f.rule, octets);
    }
    /// Of the rule that a flow came through.
    [[nodiscard]] static constexpr rule_side side_of(const flow_head& f) noexcept
    {
        return f.from_peer() ? rule_side::host : rule_side::guest;
    }
    /// Datagrams or a connection of a peer at a listening socket.
    [[nodiscard]] arrival arrival_at(const listener_name& through, const endpoint& peer, const ip_address& to = {}) const noexcept
    {
        return {through.side, rule_of(through), through.port, peer, to};
    }
    [[nodiscard]] const forward_rule& rule_of(const listener_name& l) const noexcept
    {
        return (l.side == rule_side::host ? config->host_rules : config->guest_rules)[l.rule];
    }
};

/// Packets are at hand until it goes, then those that were before.
class at_hand {
public:
    at_hand(context& ctx, std::span<const guest_packet* const> packets) noexcept
        : ctx_(ctx), before_(std::exchange(ctx.at_hand, packets))
    {
    }
    ~at_hand() { ctx_.at_hand = before_; }
    at_hand(const at_hand&) = delete;
    at_hand& operator=(const at_hand&) = delete;

private:
    context& ctx_;
    std::span<const guest_packet* const> before_;
};

[[nodiscard]] inline flow_key key_of(const packet& p, octet protocol) noexcept
{
    return {p.source, p.destination, p.source_port, p.destination_port, protocol};
}

} // namespace tapioca
