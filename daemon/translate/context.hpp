// What the translators of one worker share: its configuration, its link, its descriptors, its books.
#pragma once

#include "daemon/config/plane_config.hpp"
#include "daemon/forward/listener_table.hpp"
#include "daemon/os/poller.hpp"
#include "daemon/report/counters.hpp"
#include "daemon/report/event_ring.hpp"
#include "daemon/report/event_source.hpp"
#include "daemon/report/rate_limit.hpp"
#include "daemon/tap/tap_queue.hpp"
#include "daemon/translate/flow_budget.hpp"
#include "daemon/translate/guest_link.hpp"
#include "daemon/translate/namespace_sockets.hpp"
#include "daemon/translate/other_workers.hpp"
#include "proto/flow/table.hpp"
#include "proto/forward/address_mapping.hpp"
#include "proto/frame/classify.hpp"
#include "proto/frame/emit.hpp"
#include "proto/wire/protocol.hpp"

namespace tapioca {

struct context {
    const plane_config& config;
    tap_queue& tap;
    os::poller& poller;
    report::counters& counters;
    report::event_ring& events;
    guest_link& guest;
    other_workers* others = nullptr;           ///< null: there is one worker
    namespace_sockets* in_namespace = nullptr; ///< null: nothing is spliced
    std::size_t datagram_sockets = 0;          ///< of UDP and echo: config.datagram_sockets at most
    const listener_table* listeners = nullptr; ///< null: nothing listens
    flow_budget* budget = nullptr;             ///< of all workers; null: no limits
    std::array<report::rate_limit, static_cast<std::size_t>(report::event_kind::count_)> said{}; ///< of each kind, to the log

    /// The socket of that name; -1 if it listens no more.
    [[nodiscard]] int descriptor_of(const listener_name& name) const noexcept
    {
        const auto* l = listeners == nullptr ? nullptr : listeners->find(name);
        return l == nullptr ? -1 : l->fd();
    }

    [[nodiscard]] link_ends link() const noexcept { return {config.net.our_mac, guest.mac()}; }
    /// To the guest, or to a group that it may belong to.
    [[nodiscard]] link_ends link_to(const ip_address& destination) const noexcept
    {
        return destination.is_multicast() ? link_ends{config.net.our_mac, wire::multicast_mac(destination)} : link();
    }
    void report(report::event_kind kind, instant now, const flow_key& key, int error = 0, const endpoint& accepted_at = {},
                end_reason why = end_reason::finished) noexcept
    {
        if (report::is_routine(kind) && !config.report_flows)
            return;
        // A flood must not keep the control plane busy.
        if (report::is_provoked(kind) &&
            said[static_cast<std::size_t>(kind)].ask(now).what == report::rate_limit::verdict::suppress)
            return;
        if (!events.push({now, kind, error, key, accepted_at, why}))
            counters.add(report::counter::events_lost);
    }
    /// Sets so many aside for a flow. False, which is counted, if UDP and echo have their share of the descriptors.
    [[nodiscard]] bool reserve_datagram_sockets(std::size_t count) noexcept
    {
        if (datagram_sockets + count > config.datagram_sockets) {
            counters.drop(drop_reason::datagram_share);
            return false;
        }
        datagram_sockets += count;
        return true;
    }
    void release_datagram_sockets(std::size_t count) noexcept { datagram_sockets -= count; }
    [[nodiscard]] static std::size_t datagram_sockets_of(const flow_key& key) noexcept
    {
        return kind_of(key) == flow_kind::echo ? 1 : 0; // those of UDP are shared by flows
    }

    [[nodiscard]] static flow_kind kind_of(const flow_key& key) noexcept
    {
        return key.protocol == wire::protocol_tcp   ? flow_kind::tcp
               : key.protocol == wire::protocol_udp ? flow_kind::udp
                                                    : flow_kind::echo;
    }
    /// One flow of that kind may be had now. False, which is counted, if a limit says no.
    [[nodiscard]] bool admit(flow_kind kind, flow_origin origin, instant now) noexcept
    {
        const auto why = budget == nullptr ? std::nullopt : budget->refuses(kind, origin, now);
        if (why)
            counters.drop(*why);
        return !why;
    }
    /// Whether flows of that kind have all that there is for them.
    [[nodiscard]] bool is_full(flow_kind kind) const noexcept
    {
        const bool datagrams = kind == flow_kind::udp || kind == flow_kind::echo;
        return (budget != nullptr && budget->is_full(kind)) || (datagrams && datagram_sockets >= config.datagram_sockets);
    }
    void release(flow_kind kind, flow_origin origin) noexcept
    {
        if (budget != nullptr)
            budget->release(kind, origin);
    }

    /// A new flow that is ours among all workers; null if there is no room for it, which is counted and reported. `accepted_at`:
    /// where on the host, if a peer opened it.
    template <class Flow>
    [[nodiscard]] Flow* open_flow(flow_table<Flow>& flows, const flow_key& key, instant now,
                                  flow_origin origin = flow_origin::guest, const endpoint& accepted_at = {}) noexcept
    {
        auto* f = admit(kind_of(key), origin, now) ? insert_flow(flows, key, origin) : nullptr;
        report(f == nullptr ? report::event_kind::flow_table_full : report::event_kind::flow_opened, now, key, 0, accepted_at);
        return f;
    }
    /// Whether that key is a flow's of any worker. Then another peer has that address and port in the guest's eyes: through
    /// another rule with the same target, or because several addresses of the host are one to the guest.
    template <class Flow>
    [[nodiscard]] bool is_taken(flow_table<Flow>& flows, const flow_key& key) const noexcept
    {
        return flows.find(key) != nullptr || (others != nullptr && others->owner(hash_of(key, config.secret)).has_value());
    }
    /// The key of a new flow of a peer: as it is, or else with one of the next ports as the peer's.
    template <class Flow>
    [[nodiscard]] std::optional<flow_key> free_key(flow_table<Flow>& flows, flow_key key) const noexcept
    {
        for (int tries = 0; tries < 256; ++tries) {
            if (!is_taken(flows, key))
                return key;
            key.remote_port = next_peer_port(key.remote_port);
        }
        return std::nullopt;
    }
    /// One that was admitted.
    template <class Flow>
    [[nodiscard]] Flow* insert_flow(flow_table<Flow>& flows, const flow_key& key, flow_origin origin) noexcept
    {
        if (!reserve_datagram_sockets(datagram_sockets_of(key))) {
            release(kind_of(key), origin);
            return nullptr;
        }
        auto* f = flows.insert(key);
        if (f != nullptr && others != nullptr && !others->claim(flows.hash(*f))) {
            flows.erase(*f);
            f = nullptr;
        }
        if (f == nullptr) {
            counters.drop(drop_reason::flow_table_full);
            release_datagram_sockets(datagram_sockets_of(key));
            release(kind_of(key), origin);
        } else if constexpr (requires { f->from_peer; }) {
            f->from_peer = origin == flow_origin::peer;
        }
        return f;
    }
    /// A new flow past the tap, which `insert` makes; null as above.
    template <class Insert>
    [[nodiscard]] auto open_splice(const flow_key& key, instant now, Insert insert) noexcept -> decltype(insert())
    {
        decltype(insert()) f = nullptr;
        if (admit(flow_kind::spliced, flow_origin::guest, now)) {
            f = insert();
            if (f == nullptr) {
                counters.drop(drop_reason::flow_table_full);
                release(flow_kind::spliced, flow_origin::guest);
            }
        }
        if (f == nullptr)
            report(report::event_kind::flow_table_full, now, key);
        return f;
    }
    template <class Flow>
    [[nodiscard]] static flow_origin origin_of(const Flow& f) noexcept
    {
        if constexpr (requires { f.from_peer; })
            return f.from_peer ? flow_origin::peer : flow_origin::guest;
        else
            return flow_origin::guest;
    }
    /// Counts and tells that a flow is over.
    void report_end(const flow_key& key, end_reason why, instant now) noexcept
    {
        counters.end(why);
        report(report::event_kind::flow_closed, now, key, 0, {}, why);
    }
    template <class Flow>
    void close_flow(flow_table<Flow>& flows, Flow& f, end_reason why, instant now) noexcept
    {
        report_end(f.key, why, now);
        release_datagram_sockets(datagram_sockets_of(f.key));
        release(kind_of(f.key), origin_of(f));
        if (others != nullptr && flows.find(f.key) == &f)
            others->disclaim(flows.hash(f));
        flows.erase(f);
    }
    /// It goes on, but its key is free for another one.
    template <class Flow>
    void detach_flow(flow_table<Flow>& flows, Flow& f) noexcept
    {
        if (others != nullptr)
            others->disclaim(flows.hash(f));
        flows.detach(f);
    }
    [[nodiscard]] const ip_address& outbound(ip_family f) const noexcept
    {
        return f == ip_family::ipv4 ? config.outbound4 : config.outbound6;
    }
    /// Empty: any.
    [[nodiscard]] std::string_view outbound_interface(const ip_address& to) const noexcept
    {
        if (stays_on_host(config.address_map, to))
            return {};
        return to.is_v4() ? config.outbound_if4 : config.outbound_if6;
    }
    [[nodiscard]] const forward_rule& rule_of(const listener_name& l) const noexcept
    {
        return (l.side == rule_side::host ? config.host_rules : config.guest_rules)[l.rule];
    }
    [[nodiscard]] unsigned scope_of(const ip_address& a) const noexcept
    {
        return !a.is_v4() && a.is_link_local() ? config.scope6 : 0;
    }
};

/// A frame of the guest with what classify() found in it.
struct guest_packet {
    tapioca::packet packet;
    wire::virtio_net_header vnet;
};

[[nodiscard]] inline flow_key key_of(const packet& p, octet protocol) noexcept
{
    return {p.source, p.destination, p.source_port, p.destination_port, protocol};
}

} // namespace tapioca
