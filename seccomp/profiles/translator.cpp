// The data plane and the control plane. Each call carries the tag `syscalls:` beside the wrapper that makes it; a lint test
// compares the two.
#include "seccomp/filter.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

namespace tapioca::seccomp {
namespace {

constexpr int socket_flags = SOCK_NONBLOCK | SOCK_CLOEXEC;

constexpr argument_test flagged[] = {{3, socket_flags}};
constexpr argument_test write_half[] = {{1, SHUT_WR}};
constexpr argument_test tcp4[] = {{0, AF_INET}, {1, SOCK_STREAM | socket_flags}, {2, IPPROTO_TCP}};
constexpr argument_test tcp6[] = {{0, AF_INET6}, {1, SOCK_STREAM | socket_flags}, {2, IPPROTO_TCP}};
constexpr argument_test udp4[] = {{0, AF_INET}, {1, SOCK_DGRAM | socket_flags}, {2, IPPROTO_UDP}};
constexpr argument_test udp6[] = {{0, AF_INET6}, {1, SOCK_DGRAM | socket_flags}, {2, IPPROTO_UDP}};
constexpr argument_test echo4[] = {{0, AF_INET}, {1, SOCK_DGRAM | socket_flags}, {2, IPPROTO_ICMP}};
constexpr argument_test echo6[] = {{0, AF_INET6}, {1, SOCK_DGRAM | socket_flags}, {2, IPPROTO_ICMPV6}};

constexpr argument_test add_seals[] = {{1, F_ADD_SEALS}};
constexpr argument_test get_seals[] = {{1, F_GET_SEALS}};
constexpr argument_test sealable[] = {{1, MFD_CLOEXEC | MFD_ALLOW_SEALING}};

constexpr allowed_call calls[] = {
    {"accept4", "tcp_listener", "a connection from the host's side", task::every, flagged},
    {"bind", "translators", "outbound address, source port of a datagram, echo identifier"},
    {"clock_gettime", "worker, control, log", "the clock of a turn; the vDSO asks the kernel where it cannot read the counter"},
    {"close", "unique_fd", "the end of a flow"},
    {"connect", "translators", "one connected socket a flow"},
    {"epoll_ctl", "poller, control", "a flow's socket is registered once"},
#ifdef __NR_epoll_wait
    {"epoll_wait", "poller, control", "the wait of a turn"},
#else // what the C library makes of it on newer architectures
    {"epoll_pwait", "poller, control", "the wait of a turn"},
#endif
    {"ftruncate", "file_sink", "the log file's cap", task::log_file},
    {"fcntl", "hand_over", "the state for who takes our place can be changed no more", task::hand_over, add_seals},
    {"fcntl", "predecessor", "the state of who was here before cannot be changed any more", task::take_over, get_seals},
    {"ftruncate", "daemonize", "the PID file of who was here before", task::take_over},
    {"memfd_create", "hand_over", "the state for who takes our place", task::hand_over, sealable},
    {"pread64", "predecessor", "the state of who was here before", task::take_over},
    {"getpeername", "to_guest", "the peer of a flow's socket", task::guest},
    {"getsockname", "translators", "the port that the kernel chose"},
    {"pread64", "file_sink", "the log file's cap: the younger part moves to the front", task::log_file},
    {"pwrite64", "file_sink", "a line of the log file", task::log_file},
    {"read", "tun_queue, mailbox, control", "frames, eventfds, signals, inotify"},
    {"recvfrom", "translators", "data of a socket"},
    {"recvmmsg", "translators", "datagrams of a socket"},
    {"recvmsg", "translators", "data of a socket, its error queue"},
    {"sendmmsg", "translators", "datagrams to a socket"},
    {"sendmsg", "tcp_translator", "data to a socket", task::guest},
    {"sendto", "translators, syslog_sink", "data to a socket, a line to syslog"},
    {"shutdown", "tcp_translator", "half of a connection ends", task::every, write_half},
    {"socket", "translators", "a flow's socket", task::every, tcp4},
    {"socket", "translators", "a flow's socket", task::every, tcp6},
    {"socket", "translators", "a flow's socket", task::every, udp4},
    {"socket", "translators", "a flow's socket", task::every, udp6},
    {"socket", "echo_translator", "a flow's socket", task::guest, echo4},
    {"socket", "echo_translator", "a flow's socket", task::guest, echo6},
    {"timerfd_settime", "poller, control", "the end of a wait, timers"},
    {"write", "tun_queue, mailbox, control, log", "frames, eventfds, stderr, readiness"},
    {"writev", "tun_queue, capture_queue", "a frame in pieces", task::pieces},
};

} // namespace

std::span<const allowed_call> translator_calls() noexcept { return calls; }

} // namespace tapioca::seccomp
