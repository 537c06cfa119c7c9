// Bounds and periods of the translators.
#pragma once

#include "proto/base/time.hpp"

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

/// Octets in each direction that one spliced flow may move before others have their turn.
inline constexpr std::size_t spliced_octets_per_turn = std::size_t{1} << 20;

/// Octets of datagrams towards the guest that one flow may send before others have their turn.
inline constexpr std::size_t udp_octets_per_turn = 512 * 1024;
inline constexpr int udp_receive_buffer = 1 << 20; ///< asked for; bursts wait here while others have their turn
inline constexpr int errors_per_turn = 64;         ///< entries of a socket's error queue that are relayed at once
inline constexpr int listener_batches = 8;         ///< reads of a listening UDP socket at once

/// UDP and echo flows of one of `workers`, so that together they leave TCP half of the descriptors that are not `taken` already:
/// a flood of datagrams holds its sockets until they time out.
[[nodiscard]] constexpr std::size_t datagram_share(std::uint64_t descriptors, std::size_t taken, std::size_t workers) noexcept
{
    return descriptors > taken ? (descriptors - taken) / 2 / workers : 0;
}

inline constexpr duration echo_timeout = std::chrono::seconds{60};
inline constexpr duration dns_timeout = std::chrono::seconds{5}; ///< after the answer to a query

} // namespace tapioca::limits
