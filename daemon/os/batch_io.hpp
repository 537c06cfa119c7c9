// Datagrams in batches: sendmmsg(2) and recvmmsg(2), with runs of equal size as one message each (UDP_SEGMENT and UDP_GRO,
// udp(7)).
#pragma once

#include "daemon/os/error.hpp"
#include "proto/base/address.hpp"

#include <optional>
#include <span>

namespace tapioca::os {

inline constexpr std::size_t most_messages = 64; ///< in one call of send_batch
inline constexpr std::size_t most_received = 32; ///< in one call of receive_batch
inline constexpr std::size_t few_received = 8;   ///< so many buffers of 64 KiB stay in the cache

/// Where a message through a socket without a peer goes, and the address of ours that it comes from (IP_PKTINFO, IPV6_PKTINFO).
struct addressing {
    endpoint to;
    ip_address from;    ///< unspecified: the kernel chooses
    unsigned scope = 0; ///< the interface of a link-local `to`
};

/// One message to a socket: a datagram, or a run of them.
struct outgoing {
    std::span<const bytes_view> pieces;  ///< at most most_messages in all messages of a batch
    std::uint16_t segment = 0;           ///< not 0: cut into datagrams of this size
    std::optional<octet> ttl, tos;       ///< absent: the socket's own
    const addressing* between = nullptr; ///< null: the socket is connected
};

/// How many messages were sent; an error if not even the first was.
[[nodiscard]] result<std::size_t> send_batch(int fd, ip_family family, std::span<const outgoing> messages) noexcept;

enum class want_addresses : std::uint8_t { no, yes };

/// What arrived in one buffer.
struct incoming {
    std::size_t length = 0;
    std::size_t segment = 0; ///< not 0: datagrams of this size, the last may be shorter
    bool truncated = false;
    endpoint source;        ///< if addresses were wanted
    ip_address destination; ///< if packet information is switched on; else unspecified
    ip_address local;       ///< likewise: ours that an answer comes from; unspecified for a group of IPv6
};

/// Receives into `buffers`, at most most_received, without waiting. Fewer than there are buffers: the queue was empty.
[[nodiscard]] result<std::size_t> receive_batch(int fd, std::span<const bytes_span> buffers, std::span<incoming> into,
                                                want_addresses addresses) noexcept;

} // namespace tapioca::os
