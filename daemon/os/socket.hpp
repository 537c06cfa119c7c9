// The sockets of flows: native, unprivileged, non-blocking. Thin wrappers without policy; tests replace them at link time.
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"
#include "proto/base/address.hpp"

#include <span>
#include <string_view>

namespace tapioca::os {

/// Urgent data stays in the stream (SO_OOBINLINE): left out, it would shift peek offsets.
[[nodiscard]] result<unique_fd> tcp_socket(ip_family family) noexcept;
[[nodiscard]] result<unique_fd> udp_socket(ip_family family) noexcept;
/// SOCK_DGRAM with IPPROTO_ICMP or IPPROTO_ICMPV6: echo without privilege, if ping_group_range allows.
[[nodiscard]] result<unique_fd> ping_socket(ip_family family) noexcept;

/// A port of 0 lets the kernel choose. IPv4 addresses are bound as IPv4. `scope` is the interface of a link-local address.
[[nodiscard]] result<void> bind(int fd, const endpoint& local, unsigned scope = 0) noexcept;
/// SO_BINDTODEVICE (unprivileged since Linux 5.7).
[[nodiscard]] result<void> bind_to_device(int fd, std::string_view interface) noexcept;

enum class connect_progress : std::uint8_t { connected, in_progress };
[[nodiscard]] result<connect_progress> connect(int fd, const endpoint& remote, unsigned scope = 0) noexcept;

[[nodiscard]] result<endpoint> local_endpoint(int fd) noexcept;
[[nodiscard]] result<endpoint> peer_endpoint(int fd) noexcept;

/// SO_ERROR: the pending error, which is cleared; 0 if there is none.
[[nodiscard]] int take_error(int fd) noexcept;

/// Whether this kernel keeps a peek offset for TCP sockets (SO_PEEK_OFF: Linux 6.9 for IPv4, 6.11 for IPv6).
[[nodiscard]] bool has_tcp_peek_offset(ip_family family) noexcept;
[[nodiscard]] result<void> set_peek_offset(int fd, std::uint32_t octets) noexcept;

/// Reads without removing, from the peek offset on. Returns 0 at the end of the stream. A read stops in front of urgent data.
[[nodiscard]] result<std::size_t> peek(int fd, bytes_span into) noexcept;
inline constexpr std::size_t most_received_pieces = 64;
/// Likewise into several pieces, at most most_received_pieces.
[[nodiscard]] result<std::size_t> peek(int fd, std::span<const bytes_span> pieces) noexcept;

/// Removes `octets` from the receive queue without reading them (MSG_TRUNC, tcp(7)).
[[nodiscard]] result<std::size_t> discard(int fd, std::size_t octets) noexcept;

/// Reads and removes. Returns 0 at the end of the stream.
[[nodiscard]] result<std::size_t> receive(int fd, bytes_span into) noexcept;
[[nodiscard]] result<std::size_t> receive(int fd, std::span<const bytes_span> pieces) noexcept;

/// What was sent, an end included, and the peer has not acknowledged: segments that have left, and octets that have not. Nothing
/// of a connection that does not stand.
[[nodiscard]] std::uint32_t unacknowledged(int fd) noexcept;

inline constexpr std::size_t most_pieces = 128; ///< in one send
[[nodiscard]] result<std::size_t> send(int fd, std::span<const bytes_view> pieces) noexcept;
[[nodiscard]] result<std::size_t> send(int fd, bytes_view octets) noexcept;

void shutdown_write(int fd) noexcept;
/// SO_LINGER with a time of 0: closing resets the connection.
void reset_on_close(int fd) noexcept;
/// The kernel asks a peer that is silent for a sign of life, after the host's usual time.
void keep_alive(int fd) noexcept;
/// Or after so many seconds, and again in such intervals: from 1 to 32767 each.
void set_keep_alive_times(int fd, int idle, int interval) noexcept;
/// Before a connect: the handshake's last segment waits for the first octets that are sent, and goes with them. They must follow
/// at once, or the peer hears of its connection 200 ms late.
void end_handshake_with_data(int fd) noexcept;
void close(int fd) noexcept;

/// IP_TTL or IPV6_UNICAST_HOPS of everything the socket sends: before a connect, so that a SYN carries the guest's.
[[nodiscard]] result<void> set_ttl(int fd, ip_family family, octet ttl) noexcept;
/// IP_RECVERR or IPV6_RECVERR.
[[nodiscard]] result<void> set_receive_errors(int fd, ip_family family, bool on) noexcept;

/// IP_TOS or IPV6_TCLASS of everything the socket sends.
[[nodiscard]] result<void> set_tos(int fd, ip_family family, octet tos) noexcept;
/// What the kernel gives IPv4 packets of a fresh socket (net.ipv4.ip_default_ttl).
[[nodiscard]] result<octet> default_ttl() noexcept;
/// SO_BROADCAST: datagrams may go to broadcast addresses.
[[nodiscard]] result<void> allow_broadcast(int fd) noexcept;
/// IP_FREEBIND or IPV6_FREEBIND: the address that is bound need not exist.
[[nodiscard]] result<void> set_freebind(int fd, ip_family family) noexcept;
/// IP_MULTICAST_ALL or IPV6_MULTICAST_ALL off: what other programs' groups receive is not ours.
[[nodiscard]] result<void> ignore_groups_of_others(int fd, ip_family family) noexcept;
/// IPV6_V6ONLY.
[[nodiscard]] result<void> set_v6_only(int fd) noexcept;
/// UDP_GRO: datagrams of equal size may arrive as one.
[[nodiscard]] result<void> set_udp_gro(int fd) noexcept;
/// SO_RCVBUF, as far as net.core.rmem_max allows; the kernel doubles it.
[[nodiscard]] result<void> set_receive_buffer(int fd, int octets) noexcept;

/// IP_MTU_DISCOVER or IPV6_MTU_DISCOVER: whether packets beyond the path's MTU are fragmented here, or refused with EMSGSIZE.
enum class fragmentation : std::uint8_t { allowed, refused };
[[nodiscard]] result<void> set_fragmentation(int fd, ip_family family, fragmentation f) noexcept;

/// One entry of a socket's error queue (ip(7), struct sock_extended_err).
struct queued_error {
    int error = 0;           ///< errno
    std::uint8_t origin = 0; ///< SO_EE_ORIGIN_*
    /// A router or the peer reported it, not this host.
    [[nodiscard]] bool from_network() const noexcept
    {
        return origin == 2 || origin == 3;
    } // SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6
    octet type = 0, code = 0;
    std::uint32_t info = 0; ///< the MTU of fragmentation needed and packet too big
    ip_address offender;    ///< unspecified: unknown
    endpoint destination;   ///< of the packet that caused it; unspecified: unknown
    std::size_t length = 0; ///< octets of its payload that were returned
};
/// Takes the oldest entry; its packet's first payload octets go into `payload`. EAGAIN: the queue is empty.
[[nodiscard]] result<queued_error> take_queued_error(int fd, bytes_span payload) noexcept;

struct accepted {
    unique_fd fd;
    endpoint peer;
};
/// With the options of the listening socket.
[[nodiscard]] result<accepted> accept(int listener) noexcept;

} // namespace tapioca::os
