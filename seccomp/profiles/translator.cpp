// The data plane and the control plane, in both modes. Each call carries the tag `syscalls:` beside the wrapper that makes it; a
// lint test compares the two.
#include "seccomp/filter.hpp"

#include <sys/socket.h>

namespace tapioca::seccomp {
namespace {

constexpr std::uint64_t all_bits = ~std::uint64_t{0};
constexpr argument_test ipv4_family[] = {{0, all_bits, AF_INET}};
constexpr argument_test ipv6_family[] = {{0, all_bits, AF_INET6}};

constexpr allowed_call calls[] = {
    {"accept4", "tcp_listener", "a connection from the host's side"},
    {"bind", "translators", "outbound address, source port of a datagram, echo identifier"},
    {"clock_gettime", "worker, control, log", "the clock of a turn; the vDSO asks the kernel where it cannot read the counter"},
    {"close", "unique_fd", "the end of a flow"},
    {"connect", "translators", "one connected socket a flow"},
    {"epoll_ctl", "poller, control", "a flow's socket is registered once"},
    {"epoll_pwait", "poller, control", "the wait of a turn; the name of epoll_wait on newer architectures"},
    {"epoll_wait", "poller, control", "the wait of a turn"},
    {"ftruncate", "file_sink", "the log file's cap"},
    {"getpeername", "tcp_listener", "who connects"},
    {"getsockname", "translators", "the port that the kernel chose"},
    {"getsockopt", "translators", "SO_ERROR, TCP_INFO"},
    {"pread64", "file_sink", "the log file's cap: the younger part moves to the front"},
    {"pwrite64", "file_sink", "a line of the log file"},
    {"read", "tun_queue, mailbox, control", "frames, eventfds, signals, inotify"},
    {"recvfrom", "translators", "data of a socket"},
    {"recvmmsg", "translators", "datagrams of a socket"},
    {"recvmsg", "translators", "data of a socket, its error queue"},
    {"sendmmsg", "translators", "datagrams to a socket"},
    {"sendmsg", "translators", "data to a socket"},
    {"sendto", "translators, syslog_sink", "data to a socket, a line to syslog"},
    {"setsockopt", "translators", "options of a flow's socket"},
    {"shutdown", "tcp_translator", "half of a connection ends"},
    {"socket", "translators", "a flow's socket", ipv4_family},
    {"socket", "translators", "a flow's socket", ipv6_family},
    {"timerfd_settime", "deadline, control", "one timer a worker"},
    {"write", "tun_queue, mailbox, control, log", "frames, eventfds, stderr, readiness"},
    {"writev", "capture_queue", "a frame in the capture file"},
};

} // namespace

std::span<const allowed_call> translator_calls() noexcept { return calls; }

} // namespace tapioca::seccomp
