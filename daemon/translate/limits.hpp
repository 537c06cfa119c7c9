// Bounds and periods of the translators.
#pragma once

#include "daemon/config/flow_limits.hpp"
#include "daemon/translate/flow_budget.hpp"
#include "proto/base/time.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace tapioca::limits {

inline constexpr std::size_t out_of_order_flows = 1024; ///< flows that keep octets behind a gap at the same time

inline constexpr std::uint32_t tcp_keepalive_seconds = 30; ///< of silence, after which the guest is sent a keep-alive
inline constexpr duration tcp_keepalive = std::chrono::seconds{tcp_keepalive_seconds};
/// Without data either way for this long the host's kernel sends the peer keep-alives, too; octets for a peer that accepts none
/// are dropped.
inline constexpr std::uint32_t tcp_inactivity_seconds = 7200;
/// A guest that has not sent a segment for this long, keep-alives included, is gone. Linux gives up a silent peer after the same
/// time by its defaults of 7200 s and nine probes of 75 s. RFC 5382, REQ-5, wants 2 hours and 4 minutes at least.
inline constexpr std::uint32_t tcp_silence_seconds = 7200 + 9 * 75;
inline constexpr std::uint32_t tcp_longest_keep_idle = 32767;  ///< that the kernel takes
inline constexpr std::uint32_t tcp_longest_keep_interval = 75; ///< its usual one
/// Data from before a reset waits this long for a side that accepts none of it.
inline constexpr std::uint32_t tcp_reset_seconds = 30;
inline constexpr duration tcp_reset_poll = std::chrono::milliseconds{10}; ///< no event tells when it has acknowledged all
inline constexpr duration tcp_watchdog = std::chrono::seconds{1}; ///< how long octets may wait for a socket without an event

/// Octets towards the guest that one flow may send before others have their turn.
inline constexpr std::size_t tcp_octets_per_turn = 512 * 1024;

/// So that headers do not swell a super-frame of tiny segments beyond what a back-end has room for.
inline constexpr std::size_t segments_in_super_frame = 256;

/// Octets in each direction that one spliced flow may move before others have their turn.
inline constexpr std::size_t spliced_octets_per_turn = std::size_t{1} << 20;

/// Octets of datagrams towards the guest that one flow may send before others have their turn.
inline constexpr std::size_t udp_octets_per_turn = 512 * 1024;
inline constexpr duration udp_poll_interval = std::chrono::microseconds{80}; ///< of flows whose datagrams come fast
inline constexpr std::size_t udp_polled_flows = 32;                          ///< at most
inline constexpr std::size_t most_udp_flows = std::size_t{1} << 17;          ///< they share sockets, so only memory bounds them
inline constexpr std::size_t echo_replies_per_turn = 64;                     ///< of one flow
inline constexpr duration room_interval = std::chrono::milliseconds{100};    ///< between looks at all flows for some to end early
inline constexpr int udp_receive_buffer = 1 << 20; ///< asked for; bursts wait here while others have their turn
inline constexpr int errors_per_turn = 64;         ///< entries of a socket's error queue that are relayed at once

/// What one of `workers` may have of the descriptors that are not taken already.
class descriptor_shares {
public:
    constexpr descriptor_shares(std::size_t limit, std::size_t taken, std::size_t workers) noexcept
        : available_(limit > taken ? limit - taken : 0), workers_(workers)
    {
    }

    /// Sockets of UDP and echo flows: at most half, as the sockets of a flood of datagrams stay open until they time out.
    [[nodiscard]] constexpr std::size_t datagram_sockets() const noexcept { return available_ / 2 / workers_; }

    /// For the whole process. No kind gets all descriptors: TCP and the bypass leave a quarter, datagrams half, echo seven
    /// eighths. Peers leave a quarter of each kind to the guest, so that a flood of its open ports does not stop outbound flows.
    [[nodiscard]] constexpr flow_budget::shares narrowed(const flow_limits& asked) const noexcept
    {
        const auto least = [](std::uint32_t limit, std::size_t share) {
            const auto bounded = static_cast<std::uint32_t>(std::clamp<std::size_t>(share, 1, flow_budget::unlimited));
            return limit == 0 ? bounded : std::min(limit, bounded);
        };
        flow_budget::shares s;
        s.all = asked.flows == 0 ? flow_budget::unlimited : asked.flows;
        s.of = {least(asked.tcp, available_ / 4 * 3), least(asked.udp, most_udp_flows), least(asked.echo, available_ / 8),
                least(asked.spliced, available_ / 8 * 3)}; // two descriptors each
        for (std::size_t k = 0; k < flow_budget::share_count; ++k)
            s.of_peers[k] = std::max(s.of[k] - s.of[k] / 4, 1U);
        s.new_in_a_second = asked.new_flows == 0 ? flow_budget::unlimited : asked.new_flows;
        return s;
    }

    /// Outbound connections without a SYN-ACK yet: a port scan must not use up the descriptors.
    [[nodiscard]] constexpr std::uint32_t connecting_flows() const noexcept
    {
        constexpr std::size_t most = 16384;
        return static_cast<std::uint32_t>(std::max<std::size_t>(std::min(available_ / 4, most) / workers_, 1));
    }

    /// Listening sockets that come and go with the servers of the other side.
    [[nodiscard]] constexpr std::size_t scanned_listeners() const noexcept { return std::max<std::size_t>(available_ / 4, 1); }

    /// Inbound connections of one rule that the guest has not answered: a SYN flood must not use up the descriptors.
    [[nodiscard]] constexpr std::uint32_t unanswered_flows() const noexcept
    {
        constexpr std::size_t most = 4096; ///< more than the backlog of any server
        return static_cast<std::uint32_t>(std::max<std::size_t>(std::min(available_ / 4, most) / workers_, 1));
    }

private:
    std::size_t available_, workers_;
};

inline constexpr duration echo_timeout = std::chrono::seconds{60};
inline constexpr duration resolver_silence = std::chrono::milliseconds{800};   ///< to a query, after which the next one is asked
inline constexpr duration resolver_connects = std::chrono::milliseconds{1000}; ///< likewise to a connection
/// How long answers are waited for in all: clients give up after five seconds (RES_TIMEOUT of glibc).
inline constexpr duration query_patience = std::chrono::milliseconds{4500};
inline constexpr duration refused_query_patience = std::chrono::seconds{2}; ///< for the last one, if another has failed
inline constexpr duration dns_timeout = std::chrono::seconds{5};            ///< after the answer to a query

} // namespace tapioca::limits
