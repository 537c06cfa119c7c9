// The options of sockets that are set and read after start-up. Options reach far into the kernel: packet filters, other
// congestion control, encryption, groups; so each is named. A lint test compares them with the wrappers in daemon/os.
#include "seccomp/filter.hpp"

#include <array>
#include <cstddef>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>

namespace tapioca::seccomp {
namespace {

struct socket_option {
    int level, name;
    const char* why;
    task only_for = task::every;
};

constexpr socket_option set_options[] = {
    {SOL_SOCKET, SO_ATTACH_FILTER, "nothing reaches a connection that migrates", task::vhost},
    {SOL_SOCKET, SO_BINDTODEVICE, "the outbound interface"},
    {SOL_SOCKET, SO_BROADCAST, "the guest's datagrams to all of a network"},
    {SOL_SOCKET, SO_DETACH_FILTER, "a connection that did not migrate", task::vhost},
    {SOL_SOCKET, SO_KEEPALIVE, "peers that vanish"},
    {SOL_SOCKET, SO_LINGER, "the end is a reset"},
    {SOL_SOCKET, SO_OOBINLINE, "urgent data stays in the stream"},
    {SOL_SOCKET, SO_PEEK_OFF, "what was peeked is not peeked again"},
    {SOL_SOCKET, SO_RCVBUF, "room for datagrams and frames"},
    {SOL_SOCKET, SO_REUSEADDR, "a listening TCP socket waits for no TIME-WAIT; echo identifiers are not shared"},
    {SOL_SOCKET, SO_SNDBUF, "room for frames"},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, "a connection and its first octets come together"},
    {IPPROTO_TCP, TCP_KEEPIDLE, "as often as the guest asks its peers"},
    {IPPROTO_TCP, TCP_KEEPINTVL, "as often as the guest asks its peers"},
    {IPPROTO_TCP, TCP_MAXSEG, "as it was where a connection comes from", task::vhost},
    {IPPROTO_TCP, TCP_NODELAY, "the guest decides when to send"},
    {IPPROTO_TCP, TCP_QUEUE_SEQ, "a connection that comes with its guest", task::vhost},
    {IPPROTO_TCP, TCP_REPAIR_OPTIONS, "a connection that comes with its guest", task::vhost},
    {IPPROTO_TCP, TCP_REPAIR_QUEUE, "which queue of a connection that migrates", task::vhost},
    {IPPROTO_TCP, TCP_REPAIR_WINDOW, "a connection that comes with its guest", task::vhost},
    {IPPROTO_TCP, TCP_TIMESTAMP, "a connection that comes with its guest", task::vhost},
    {IPPROTO_UDP, UDP_GRO, "datagrams of equal size come together"},
    {IPPROTO_IP, IP_FREEBIND, "addresses that come later"},
    {IPPROTO_IP, IP_MINTTL, "nothing reaches a connection that migrates", task::vhost},
    {IPPROTO_IP, IP_MTU_DISCOVER, "the guest's mark that forbids fragments"},
    {IPPROTO_IP, IP_MULTICAST_ALL, "groups of others"},
    {IPPROTO_IP, IP_PKTINFO, "the address that a datagram was sent to"},
    {IPPROTO_IP, IP_RECVERR, "errors of the path"},
    {IPPROTO_IP, IP_TOS, "the guest's"},
    {IPPROTO_IP, IP_TTL, "the guest's"},
    {IPPROTO_IPV6, IPV6_FREEBIND, "addresses that come later"},
    {IPPROTO_IPV6, IPV6_MINHOPCOUNT, "nothing reaches a connection that migrates", task::vhost},
    {IPPROTO_IPV6, IPV6_MTU_DISCOVER, "the guest's mark that forbids fragments"},
    {IPPROTO_IPV6, IPV6_MULTICAST_ALL, "groups of others"},
    {IPPROTO_IPV6, IPV6_RECVERR, "errors of the path"},
    {IPPROTO_IPV6, IPV6_RECVPKTINFO, "the address that a datagram was sent to"},
    {IPPROTO_IPV6, IPV6_TCLASS, "the guest's"},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, "the guest's"},
    {IPPROTO_IPV6, IPV6_V6ONLY, "a listening socket of one family"},
};

constexpr socket_option read_options[] = {
    {SOL_SOCKET, SO_BINDTODEVICE, "of a socket that who was here before gave us", task::take_over},
    {SOL_SOCKET, SO_ERROR, "what became of a connection"},
    {SOL_SOCKET, SO_PEERCRED, "who connects to the stream's socket, for the log"},
    {SOL_SOCKET, SO_PROTOCOL, "of a descriptor that who was here before gave us", task::take_over},
    {IPPROTO_TCP, TCP_INFO, "what the peer has not acknowledged"},
    {IPPROTO_TCP, TCP_MAXSEG, "of a connection that migrates", task::vhost},
    {IPPROTO_TCP, TCP_QUEUE_SEQ, "of a connection that migrates", task::vhost},
    {IPPROTO_TCP, TCP_REPAIR_WINDOW, "of a connection that migrates", task::vhost},
    {IPPROTO_TCP, TCP_TIMESTAMP, "of a connection that migrates", task::vhost},
};

/// Level and name, as conditions on the second and third argument of getsockopt(2) and setsockopt(2).
template <std::size_t N>
constexpr auto conditions(const socket_option (&options)[N])
{
    std::array<std::array<argument_test, 2>, N> tests{};
    for (std::size_t i = 0; i < N; ++i)
        tests[i] = {{{1, static_cast<std::uint32_t>(options[i].level)}, {2, static_cast<std::uint32_t>(options[i].name)}}};
    return tests;
}

constexpr auto set_conditions = conditions(set_options);
constexpr auto read_conditions = conditions(read_options);

constexpr auto lines = [] {
    std::array<allowed_call, set_conditions.size() + read_conditions.size()> made{};
    std::size_t at = 0;
    for (std::size_t i = 0; i < set_conditions.size(); ++i)
        made[at++] = {"setsockopt", "translators", set_options[i].why, set_options[i].only_for, set_conditions[i]};
    for (std::size_t i = 0; i < read_conditions.size(); ++i)
        made[at++] = {"getsockopt", "translators", read_options[i].why, read_options[i].only_for, read_conditions[i]};
    return made;
}();

} // namespace

std::span<const allowed_call> option_calls() noexcept { return lines; }

} // namespace tapioca::seccomp
