#include "daemon/os/listen.hpp"

#include "daemon/os/sockaddr.hpp"

namespace tapioca::os {
namespace {

constexpr int backlog = 4096; ///< the kernel cuts it to net.core.somaxconn

result<unique_fd> open(stack s, int type)
{
    unique_fd fd{::socket(s == stack::ipv4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (!fd)
        return last_error();
    if (s != stack::ipv4) {
        const int only = s == stack::ipv6;
        if (::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) < 0)
            return last_error();
    }
    return fd;
}

result<void> bind_any(int fd, stack s, std::uint16_t port)
{
    const socket_address any{{s == stack::ipv4 ? ip_address::v4(0) : ip_address{}, port}};
    if (::bind(fd, &any.any, any.length) < 0)
        return last_error();
    return {};
}

result<void> set(int fd, int level, int name)
{
    const int on = 1;
    if (::setsockopt(fd, level, name, &on, sizeof on) < 0)
        return last_error();
    return {};
}

} // namespace

result<unique_fd> listen_tcp(stack s, std::uint16_t port)
{
    auto fd = open(s, SOCK_STREAM);
    if (!fd)
        return fd;
    (void)set(fd->get(), SOL_SOCKET, SO_REUSEADDR);
    if (const auto bound = bind_any(fd->get(), s, port); !bound)
        return bound.error();
    if (::listen(fd->get(), backlog) < 0)
        return last_error();
    return fd;
}

result<unique_fd> listen_udp(stack s, std::uint16_t port)
{
    auto fd = open(s, SOCK_DGRAM);
    if (!fd)
        return fd;
    // Bound without SO_REUSEADDR, so that a conflict is seen; set afterwards, so that a flow's own sockets can share the port.
    if (const auto bound = bind_any(fd->get(), s, port); !bound)
        return bound.error();
    (void)set(fd->get(), SOL_SOCKET, SO_REUSEADDR);
    if (s != stack::ipv6) {
        (void)set(fd->get(), IPPROTO_IP, IP_PKTINFO);
        (void)set(fd->get(), IPPROTO_IP, IP_RECVERR);
    }
    if (s != stack::ipv4) {
        (void)set(fd->get(), IPPROTO_IPV6, IPV6_RECVPKTINFO);
        (void)set(fd->get(), IPPROTO_IPV6, IPV6_RECVERR);
    }
    return fd;
}

} // namespace tapioca::os
