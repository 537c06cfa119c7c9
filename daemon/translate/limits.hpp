// Bounds and periods of the translators.
#pragma once

#include "proto/base/time.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace tapioca::limits {

inline constexpr std::size_t out_of_order_flows = 1024; ///< flows that keep octets behind a gap at the same time

inline constexpr std::uint32_t tcp_keepalive_seconds = 30; ///< without a segment of the guest, it is asked for one
inline constexpr duration tcp_keepalive = std::chrono::seconds{tcp_keepalive_seconds};
inline constexpr std::uint32_t tcp_inactivity_seconds = 7200;     ///< without data either way, a connection ends
inline constexpr duration tcp_watchdog = std::chrono::seconds{1}; ///< how long octets may wait for a socket without an event

/// Octets towards the guest that one flow may send before others have their turn.
inline constexpr std::size_t tcp_octets_per_turn = 512 * 1024;

/// So that headers do not swell a super-frame of tiny segments beyond what a back-end has room for.
inline constexpr std::size_t segments_in_super_frame = 256;

/// Octets in each direction that one spliced flow may move before others have their turn.
inline constexpr std::size_t spliced_octets_per_turn = std::size_t{1} << 20;

/// Octets of datagrams towards the guest that one flow may send before others have their turn.
inline constexpr std::size_t udp_octets_per_turn = 512 * 1024;
inline constexpr int udp_receive_buffer = 1 << 20; ///< asked for; bursts wait here while others have their turn
inline constexpr int errors_per_turn = 64;         ///< entries of a socket's error queue that are relayed at once
inline constexpr int listener_batches = 8;         ///< reads of a listening UDP socket at once

/// What one of `workers` may have of the descriptors that are not taken already.
class descriptor_shares {
public:
    constexpr descriptor_shares(std::size_t limit, std::size_t taken, std::size_t workers) noexcept
        : available_(limit > taken ? limit - taken : 0), workers_(workers)
    {
    }

    /// Sockets of UDP and echo flows: together they leave TCP half, as a flood of datagrams holds its sockets until they time
    /// out.
    [[nodiscard]] constexpr std::size_t datagram_sockets() const noexcept { return available_ / 2 / workers_; }

    /// Connections of peers through one rule that the guest has not answered: a flood of them must not take what others need.
    [[nodiscard]] constexpr std::uint32_t unanswered_flows() const noexcept
    {
        constexpr std::size_t most = 4096; ///< more than the backlog of any server
        return static_cast<std::uint32_t>(std::max<std::size_t>(std::min(available_ / 4, most) / workers_, 1));
    }

private:
    std::size_t available_, workers_;
};

inline constexpr duration echo_timeout = std::chrono::seconds{60};
inline constexpr duration dns_timeout = std::chrono::seconds{5}; ///< after the answer to a query

} // namespace tapioca::limits
