#include "daemon/os/listen.hpp"

#include "daemon/os/sockaddr.hpp"

#include <netinet/tcp.h>
#include <netinet/udp.h>

namespace tapioca::os {
namespace {

constexpr int backlog = 4096;           ///< the kernel cuts it to net.core.somaxconn
constexpr int receive_buffer = 1 << 20; ///< for bursts of new peers; likewise net.core.rmem_max

// syscalls: setsockopt
result<void> set(int fd, int level, int name, int value = 1)
{
    if (::setsockopt(fd, level, name, &value, sizeof value) < 0)
        return last_error();
    return {};
}

// syscalls: socket
result<unique_fd> open(listen_stack& stack, int type)
{
    const int protocol = type == SOCK_STREAM ? static_cast<int>(IPPROTO_TCP) : static_cast<int>(IPPROTO_UDP);
    unique_fd fd{::socket(stack == listen_stack::ipv4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol)};
    if (!fd && stack == listen_stack::dual && errno == EAFNOSUPPORT) {
        stack = listen_stack::ipv4;
        return open(stack, type);
    }
    if (!fd)
        return last_error();
    return fd;
}

// syscalls: setsockopt bind
result<void> bind(int fd, const listen_at& at)
{
    const bool v4 = at.stack == listen_stack::ipv4;
    if (!v4)
        if (const auto done = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, at.stack == listen_stack::ipv6); !done)
            return done;
    if (at.freebind)
        (void)(v4 ? set(fd, IPPROTO_IP, IP_FREEBIND) : set(fd, IPPROTO_IPV6, IPV6_FREEBIND));
    if (!at.interface.empty() &&
        ::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, at.interface.data(), static_cast<socklen_t>(at.interface.size())) < 0)
        return last_error();
    const auto any = v4 ? ip_address::v4(0) : ip_address{};
    const socket_address local{{at.address.is_unspecified() ? any : at.address, at.port}};
    if (::bind(fd, &local.any, local.length) < 0)
        return last_error();
    return {};
}

} // namespace

// syscalls: listen
result<unique_fd> listen_tcp(const listen_at& where) noexcept
{
    auto at = where;
    auto fd = open(at.stack, SOCK_STREAM);
    if (!fd)
        return fd;
    (void)set(fd->get(), SOL_SOCKET, SO_REUSEADDR);
    // Inherited by each connection, which saves two calls there. Urgent data stays in the stream.
    (void)set(fd->get(), IPPROTO_TCP, TCP_NODELAY);
    (void)set(fd->get(), SOL_SOCKET, SO_OOBINLINE);
    if (const auto bound = bind(fd->get(), at); !bound)
        return bound.error();
    if (::listen(fd->get(), backlog) < 0)
        return last_error();
    return fd;
}

result<unique_fd> listen_udp(const listen_at& where) noexcept
{
    auto at = where;
    auto fd = open(at.stack, SOCK_DGRAM);
    if (!fd)
        return fd;
    if (const auto bound = bind(fd->get(), at); !bound)
        return bound.error();
    (void)set(fd->get(), SOL_SOCKET, SO_RCVBUF, receive_buffer);
    (void)set(fd->get(), IPPROTO_UDP, UDP_GRO);
    if (at.stack != listen_stack::ipv6) {
        (void)set(fd->get(), IPPROTO_IP, IP_PKTINFO);
        (void)set(fd->get(), IPPROTO_IP, IP_RECVERR);
        (void)set(fd->get(), IPPROTO_IP, IP_MULTICAST_ALL); // which a fresh IPv6 socket has switched off for IPv4
    }
    if (at.stack != listen_stack::ipv4) {
        (void)set(fd->get(), IPPROTO_IPV6, IPV6_RECVPKTINFO);
        (void)set(fd->get(), IPPROTO_IPV6, IPV6_RECVERR);
    }
    return fd;
}

} // namespace tapioca::os
