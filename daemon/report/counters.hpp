// What a worker counts. One writer each, relaxed atomics, summed by the reader.
#pragma once

#include "daemon/report/event_source.hpp"
#include "proto/base/result.hpp"
#include "proto/flow/end_reason.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace tapioca::report {

enum class counter : std::uint8_t {
    turns,
    frames_from_guest,
    octets_from_guest,
    frames_to_guest,
    octets_to_guest,
    tcp_flows_opened,
    tcp_flows_closed,
    tcp_flows_accepted,
    tcp_from_guest, ///< segments of connections
    tcp_connect_failed,
    tcp_connects_displaced, ///< attempts of the guest that made room for newer ones
    tcp_resets_to_guest,
    tls_names_denied, ///< connections that did not begin with a server name to which a rule leads (tls = "sni")
    tcp_challenges,   ///< ACKs in answer to segments that do not fit (RFC 5961)
    tcp_retransmits,
    tcp_timeouts,
    tcp_overflowed, ///< times that a socket took less than it was given
    tcp_out_of_order,
    tcp_stalls_recovered,
    tcp_flows_moved, ///< to the worker where the guest speaks of them
    spliced_flows_opened,
    spliced_flows_closed,
    spliced_connect_failed,
    spliced_stalls_recovered, ///< times that octets moved without an event
    splice_refused,           ///< connections that must not leave the loopback interfaces, or could not
    spliced_octets_to_guest,  ///< from the host's side, to whatever is in the namespace
    spliced_octets_to_host,
    pipes_borrowed, ///< less those returned: pipes in use
    pipes_returned,
    pipes_missing, ///< times that octets had to be copied without a pipe
    udp_flows_opened,
    udp_flows_closed,
    udp_from_guest,
    udp_to_guest,
    udp_fragmented,
    udp_refused_by_guest, ///< datagrams for which the guest has no port
    udp_splices_opened,   ///< flows between the loopbacks
    udp_splices_closed,
    udp_spliced,           ///< datagrams
    name_queries_repeated, ///< asked of another resolver, or connected to one
    name_queries_failed,   ///< without an answer of any resolver
    echo_flows_opened,
    echo_flows_closed,
    echo_flows_displaced, ///< quiet ones that made room for newer ones
    echo_from_guest,      ///< requests
    echo_strays,          ///< replies from an address that no request was sent to
    icmp_errors_to_guest,
    narrow_paths_learned,   ///< behind the guest
    narrow_paths_displaced, ///< before their time, by others
    arp_answers,
    ndp_answers,
    dhcp_answers,
    dhcpv6_answers,
    router_advertisements,
    reassembled,
    frames_handed_over,
    connections_handed_over,
    frames_taken_over,
    steering_missed,
    vhost_requests_refused,
    flow_quarantined,
    events_lost,
    count_
};

inline constexpr std::size_t counter_count = static_cast<std::size_t>(counter::count_);

inline constexpr std::array<std::string_view, counter_count> counter_names = {
    "turns",
    "frames_from_guest",
    "octets_from_guest",
    "frames_to_guest",
    "octets_to_guest",
    "tcp_flows_opened",
    "tcp_flows_closed",
    "tcp_flows_accepted",
    "tcp_from_guest",
    "tcp_connect_failed",
    "tcp_connects_displaced",
    "tcp_resets_to_guest",
    "tls_names_denied",
    "tcp_challenges",
    "tcp_retransmits",
    "tcp_timeouts",
    "tcp_overflowed",
    "tcp_out_of_order",
    "tcp_stalls_recovered",
    "tcp_flows_moved",
    "spliced_flows_opened",
    "spliced_flows_closed",
    "spliced_connect_failed",
    "spliced_stalls_recovered",
    "splice_refused",
    "spliced_octets_to_guest",
    "spliced_octets_to_host",
    "pipes_borrowed",
    "pipes_returned",
    "pipes_missing",
    "udp_flows_opened",
    "udp_flows_closed",
    "udp_from_guest",
    "udp_to_guest",
    "udp_fragmented",
    "udp_refused_by_guest",
    "udp_splices_opened",
    "udp_splices_closed",
    "udp_spliced",
    "name_queries_repeated",
    "name_queries_failed",
    "echo_flows_opened",
    "echo_flows_closed",
    "echo_flows_displaced",
    "echo_from_guest",
    "echo_strays",
    "icmp_errors_to_guest",
    "narrow_paths_learned",
    "narrow_paths_displaced",
    "arp_answers",
    "ndp_answers",
    "dhcp_answers",
    "dhcpv6_answers",
    "router_advertisements",
    "reassembled",
    "frames_handed_over",
    "connections_handed_over",
    "frames_taken_over",
    "steering_missed",
    "vhost_requests_refused",
    "flow_quarantined",
    "events_lost",
};
static_assert(!counter_names.back().empty());

/// Who is told of each packet that is dropped, as it is counted.
class drop_watcher {
public:
    virtual void dropped(drop_reason why, std::uint64_t n) noexcept = 0;

protected:
    ~drop_watcher() = default;
};

class counters {
public:
    void add(counter c, std::uint64_t n = 1) noexcept { bump(values_[static_cast<std::size_t>(c)], n); }
    void drop(drop_reason why, std::uint64_t n = 1) noexcept
    {
        bump(drops_[index(why)], n);
        if (watcher_ != nullptr)
            watcher_->dropped(why, n);
    }
    /// From the writer's thread; null: nobody. It outlives the counters, or is taken away.
    void tell_drops(drop_watcher* to) noexcept { watcher_ = to; }
    void end(end_reason why) noexcept { bump(ends_[static_cast<std::size_t>(why)], 1); }
    void event(source from) noexcept { bump(events_[static_cast<std::size_t>(from)], 1); }

    [[nodiscard]] std::uint64_t value(counter c) const noexcept
    {
        return values_[static_cast<std::size_t>(c)].load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t dropped(drop_reason why) const noexcept
    {
        return drops_[index(why)].load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t ended(end_reason why) const noexcept
    {
        return ends_[static_cast<std::size_t>(why)].load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t events(source from) const noexcept
    {
        return events_[static_cast<std::size_t>(from)].load(std::memory_order_relaxed);
    }

private:
    using cell = std::atomic<std::uint64_t>;
    /// One writer: a load and a store, no locked instruction.
    static void bump(cell& c, std::uint64_t n) noexcept
    {
        c.store(c.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }

    alignas(64) std::array<cell, counter_count> values_{};
    std::array<cell, drop_reason_count> drops_{};
    std::array<cell, end_reason_count> ends_{};
    std::array<cell, source_count> events_{};
    drop_watcher* watcher_ = nullptr;
};

} // namespace tapioca::report
