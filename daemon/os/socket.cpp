#include "daemon/os/socket.hpp"

#include "daemon/os/sockaddr.hpp"

#include <algorithm>
#include <array>
#include <linux/errqueue.h>
#include <linux/tcp.h> // more of tcp_info than netinet/tcp.h has
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <sys/syscall.h>
#include <sys/uio.h>

namespace tapioca::os {
namespace {

int domain(ip_family family) noexcept { return family == ip_family::ipv4 ? AF_INET : AF_INET6; }

// syscalls: socket
result<unique_fd> open(ip_family family, int type, int protocol) noexcept
{
    unique_fd fd{::socket(domain(family), type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol)};
    if (!fd)
        return last_error();
    return fd;
}

// syscalls: setsockopt
result<void> set(int fd, int level, int name, int value) noexcept
{
    if (::setsockopt(fd, level, name, &value, sizeof value) < 0)
        return last_error();
    return {};
}

// syscalls: getsockopt
result<int> get(int fd, int level, int name) noexcept
{
    int value = 0;
    socklen_t length = sizeof value;
    if (::getsockopt(fd, level, name, &value, &length) < 0)
        return last_error();
    return value;
}

void set_stream_options(int fd) noexcept
{
    (void)set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    (void)set(fd, SOL_SOCKET, SO_OOBINLINE, 1);
}

} // namespace

result<unique_fd> tcp_socket(ip_family family) noexcept
{
    auto fd = open(family, SOCK_STREAM, IPPROTO_TCP);
    if (fd)
        set_stream_options(fd->get());
    return fd;
}

result<unique_fd> udp_socket(ip_family family) noexcept { return open(family, SOCK_DGRAM, IPPROTO_UDP); }

result<unique_fd> ping_socket(ip_family family) noexcept
{
    const bool v4 = family == ip_family::ipv4;
    auto fd = open(family, SOCK_DGRAM, v4 ? static_cast<int>(IPPROTO_ICMP) : static_cast<int>(IPPROTO_ICMPV6));
    // These sockets share identifiers unless told not to, and then the last one gets the replies to all.
    if (fd)
        (void)set(fd->get(), SOL_SOCKET, SO_REUSEADDR, 0);
    return fd;
}

// syscalls: bind
result<void> bind(int fd, const endpoint& local, unsigned scope) noexcept
{
    const socket_address address{local, scope};
    if (::bind(fd, &address.any, address.length) < 0)
        return last_error();
    return {};
}

// syscalls: setsockopt
result<void> bind_to_device(int fd, std::string_view interface) noexcept
{
    if (::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface.data(), static_cast<socklen_t>(interface.size())) < 0)
        return last_error();
    return {};
}

// syscalls: connect
result<connect_progress> connect(int fd, const endpoint& remote, unsigned scope) noexcept
{
    const socket_address address{remote, scope};
    if (::connect(fd, &address.any, address.length) == 0)
        return connect_progress::connected;
    if (errno == EINPROGRESS)
        return connect_progress::in_progress;
    return last_error();
}

// syscalls: getsockname
result<endpoint> local_endpoint(int fd) noexcept
{
    socket_address address;
    if (::getsockname(fd, &address.any, &address.length) < 0)
        return last_error();
    return address.to_endpoint();
}

// syscalls: getpeername
result<endpoint> peer_endpoint(int fd) noexcept
{
    socket_address address;
    if (::getpeername(fd, &address.any, &address.length) < 0)
        return last_error();
    return address.to_endpoint();
}

// syscalls: getsockopt
int take_error(int fd) noexcept
{
    int error = 0;
    socklen_t length = sizeof error;
    return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? errno : error;
}

bool has_tcp_peek_offset(ip_family family) noexcept
{
    const auto fd = open(family, SOCK_STREAM, IPPROTO_TCP);
    return fd && set_peek_offset(fd->get(), 0).has_value();
}

result<void> set_peek_offset(int fd, std::uint32_t octets) noexcept
{
    return set(fd, SOL_SOCKET, SO_PEEK_OFF, static_cast<int>(octets));
}

// syscalls: recvfrom
result<std::size_t> peek(int fd, bytes_span into) noexcept
{
    const auto n = ::recv(fd, into.data(), into.size(), MSG_PEEK | MSG_DONTWAIT);
    if (n < 0)
        return last_error();
    return static_cast<std::size_t>(n);
}

namespace {

// syscalls: recvmsg
result<std::size_t> receive_pieces(int fd, std::span<const bytes_span> pieces, int flags) noexcept
{
    std::array<iovec, most_received_pieces> vectors;
    msghdr message{};
    message.msg_iov = vectors.data();
    for (const auto piece : pieces.first(std::min(pieces.size(), vectors.size())))
        vectors[message.msg_iovlen++] = {piece.data(), piece.size()};
    const auto n = ::recvmsg(fd, &message, MSG_DONTWAIT | flags);
    if (n < 0)
        return last_error();
    return static_cast<std::size_t>(n);
}

} // namespace

result<std::size_t> peek(int fd, std::span<const bytes_span> pieces) noexcept
{
    return pieces.size() == 1 ? peek(fd, pieces.front()) : receive_pieces(fd, pieces, MSG_PEEK);
}

namespace {

// syscalls: recvfrom
ssize_t remove(int fd, std::size_t octets) noexcept
{
    constexpr int flags = MSG_TRUNC | MSG_DONTWAIT;
#ifdef __SANITIZE_THREAD__ // whose recv() takes what was removed for octets that were written to address 0, by every thread
    return ::syscall(SYS_recvfrom, fd, nullptr, octets, flags, nullptr, nullptr);
#else
    return ::recv(fd, nullptr, octets, flags);
#endif
}

} // namespace

// syscalls: recvfrom
result<std::size_t> discard(int fd, std::size_t octets) noexcept
{
    std::size_t gone = 0;
    while (gone != octets) { // again if urgent data stopped it
        const auto n = remove(fd, octets - gone);
        if (n < 0)
            return last_error();
        if (n == 0)
            break;
        gone += static_cast<std::size_t>(n);
    }
    return gone;
}

// syscalls: recvfrom
result<std::size_t> receive(int fd, bytes_span into) noexcept
{
    const auto n = ::recv(fd, into.data(), into.size(), MSG_DONTWAIT);
    if (n < 0)
        return last_error();
    return static_cast<std::size_t>(n);
}

result<std::size_t> receive(int fd, std::span<const bytes_span> pieces) noexcept
{
    return pieces.size() == 1 ? receive(fd, pieces.front()) : receive_pieces(fd, pieces, 0);
}

// syscalls: getsockopt
std::uint32_t unacknowledged(int fd) noexcept
{
    constexpr int syn_sent = 2, closed = 7; // the kernel's TCP_SYN_SENT and TCP_CLOSE
    tcp_info info{};
    socklen_t length = sizeof info;
    const bool known = ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0;
    return !known || info.tcpi_state == syn_sent || info.tcpi_state == closed ? 0 : info.tcpi_unacked + info.tcpi_notsent_bytes;
}

// syscalls: sendto
result<std::size_t> send(int fd, bytes_view octets) noexcept
{
    const auto n = ::send(fd, octets.data(), octets.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return last_error();
    return static_cast<std::size_t>(n);
}

// syscalls: sendmsg
result<std::size_t> send(int fd, std::span<const bytes_view> pieces) noexcept
{
    std::array<iovec, most_pieces> vectors;
    const auto count = std::min(pieces.size(), vectors.size());
    for (std::size_t i = 0; i < count; ++i)
        vectors[i] = {const_cast<octet*>(pieces[i].data()), pieces[i].size()};
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    const auto n = ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return last_error();
    return static_cast<std::size_t>(n);
}

// syscalls: shutdown
void shutdown_write(int fd) noexcept { ::shutdown(fd, SHUT_WR); }

// syscalls: setsockopt
void reset_on_close(int fd) noexcept
{
    const linger at_once{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

// What delays a listener's connections until data comes (tcp(7), TCP_DEFER_ACCEPT) delays that segment on the other side.
void end_handshake_with_data(int fd) noexcept { (void)set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1); }

void keep_alive(int fd) noexcept { (void)set(fd, SOL_SOCKET, SO_KEEPALIVE, 1); }

void set_keep_alive_times(int fd, int idle, int interval) noexcept
{
    (void)set(fd, IPPROTO_TCP, TCP_KEEPINTVL, interval);
    (void)set(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle); // last: it sets the timer anew
}

// syscalls: close
void close(int fd) noexcept { ::close(fd); }

result<void> set_ttl(int fd, ip_family family, octet ttl) noexcept
{
    return family == ip_family::ipv4 ? set(fd, IPPROTO_IP, IP_TTL, ttl) : set(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl);
}

result<void> set_receive_errors(int fd, ip_family family, bool on) noexcept
{
    return family == ip_family::ipv4 ? set(fd, IPPROTO_IP, IP_RECVERR, on) : set(fd, IPPROTO_IPV6, IPV6_RECVERR, on);
}

result<void> set_tos(int fd, ip_family family, octet tos) noexcept
{
    return family == ip_family::ipv4 ? set(fd, IPPROTO_IP, IP_TOS, tos) : set(fd, IPPROTO_IPV6, IPV6_TCLASS, tos);
}

result<octet> default_ttl() noexcept
{
    const auto fd = open(ip_family::ipv4, SOCK_DGRAM, IPPROTO_UDP);
    if (!fd)
        return fd.error();
    const auto ttl = get(fd->get(), IPPROTO_IP, IP_TTL);
    return ttl ? result<octet>{static_cast<octet>(*ttl)} : result<octet>{ttl.error()};
}

result<void> allow_broadcast(int fd) noexcept { return set(fd, SOL_SOCKET, SO_BROADCAST, 1); }

result<void> set_freebind(int fd, ip_family family) noexcept
{
    return family == ip_family::ipv4 ? set(fd, IPPROTO_IP, IP_FREEBIND, 1) : set(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1);
}

result<void> ignore_groups_of_others(int fd, ip_family family) noexcept
{
    return family == ip_family::ipv4 ? set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0) : set(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
}

result<void> set_v6_only(int fd) noexcept { return set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1); }

result<void> set_udp_gro(int fd) noexcept { return set(fd, IPPROTO_UDP, UDP_GRO, 1); }

result<void> set_receive_buffer(int fd, int octets) noexcept { return set(fd, SOL_SOCKET, SO_RCVBUF, octets); }

result<void> set_fragmentation(int fd, ip_family family, fragmentation f) noexcept
{
    const bool allowed = f == fragmentation::allowed;
    return family == ip_family::ipv4 ? set(fd, IPPROTO_IP, IP_MTU_DISCOVER, allowed ? IP_PMTUDISC_DONT : IP_PMTUDISC_DO)
                                     : set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, allowed ? IPV6_PMTUDISC_DONT : IPV6_PMTUDISC_DO);
}

// syscalls: recvmsg
result<queued_error> take_queued_error(int fd, bytes_span payload) noexcept
{
    socket_address destination;
    iovec piece{payload.data(), payload.size()};
    alignas(cmsghdr) std::array<char, 256> control;
    msghdr message{};
    message.msg_name = &destination.any;
    message.msg_namelen = destination.length;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const auto n = ::recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (n < 0)
        return last_error();

    queued_error entry;
    entry.length = static_cast<std::size_t>(n);
    entry.destination = destination.to_endpoint();
    for (auto* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
        if (!v4 && !(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
            continue;
        sock_extended_err e;
        std::memcpy(&e, CMSG_DATA(c), sizeof e);
        entry.error = static_cast<int>(e.ee_errno);
        entry.origin = e.ee_origin;
        entry.type = e.ee_type;
        entry.code = e.ee_code;
        entry.info = e.ee_info;
        socket_address offender;
        const auto size = std::min<std::size_t>(c->cmsg_len - CMSG_LEN(sizeof e), sizeof(sockaddr_in6));
        std::memcpy(&offender.any, CMSG_DATA(c) + sizeof e, size);
        entry.offender = offender.to_endpoint().address;
    }
    return entry;
}

// syscalls: accept4
result<accepted> accept(int listener) noexcept
{
    socket_address peer;
    unique_fd fd{::accept4(listener, &peer.any, &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (!fd)
        return last_error();
    return accepted{std::move(fd), peer.to_endpoint()};
}

} // namespace tapioca::os
