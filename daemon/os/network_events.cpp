#include "daemon/os/network_events.hpp"

#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace tapioca::os {
namespace {

constexpr unsigned groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE;

/// A socket filter reads numbers in network order; netlink's are in the machine's.
constexpr std::uint32_t as_read(std::uint16_t value)
{
    return std::endian::native == std::endian::little ? static_cast<std::uint16_t>(value << 8 | value >> 8) : value;
}

/// Notifications come one in a packet: a route that has a destination is dropped, everything else passes.
constexpr std::size_t destination_length = sizeof(nlmsghdr) + offsetof(rtmsg, rtm_dst_len);
constexpr std::array<sock_filter, 7> default_routes_only = {{
    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(nlmsghdr, nlmsg_type)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, as_read(RTM_NEWROUTE), 1, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, as_read(RTM_DELROUTE), 0, 2),
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, destination_length),
    BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 0, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, 0xffff'ffff),
    BPF_STMT(BPF_RET | BPF_K, 0),
}};

} // namespace

// syscalls: socket setsockopt bind
result<network_events> network_events::open(routes which)
{
    unique_fd fd{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE)};
    if (!fd)
        return last_error();
    auto filter = default_routes_only;
    const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
    // Without the filter there is only more to clear.
    if (which == routes::defaults_only)
        (void)::setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
    sockaddr_nl name{};
    name.nl_family = AF_NETLINK;
    name.nl_groups = groups;
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0)
        return last_error();
    return network_events{std::move(fd)};
}

// syscalls: recvfrom
void network_events::clear() noexcept
{
    std::byte some{};
    for (;;)
        if (::recv(socket_.get(), &some, sizeof some, MSG_DONTWAIT | MSG_TRUNC) < 0 && errno != ENOBUFS && errno != EINTR)
            return;
}

} // namespace tapioca::os
