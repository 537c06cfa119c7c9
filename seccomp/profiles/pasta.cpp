// What only namespaces need: the bypass, ports that come and go, the watch over the namespace and over the command.
#include "seccomp/filter.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

namespace tapioca::seccomp {
namespace {

/// A look whether a name is still there, relative to a directory that was opened before: nothing can be read or written through
/// it.
constexpr argument_test look_only[] = {{2, O_PATH, O_PATH | O_CREAT | O_ACCMODE}};

constexpr argument_test pipe_size_only[] = {{1, F_SETPIPE_SZ}};
constexpr argument_test pipe_flags[] = {{1, O_NONBLOCK | O_CLOEXEC}};
constexpr argument_test no_wait[] = {{2, WNOHANG}};

constexpr argument_test persistence_only[] = {{1, TUNSETPERSIST}};
constexpr argument_test carrier_only[] = {{1, TUNSETCARRIER}};

constexpr allowed_call calls[] = {
    {"fcntl", "pipe_pool", "the size of a pipe, nothing else", task::bypass, pipe_size_only},
    {"ioctl", "tun_queue", "the tap goes with its namespace", task::command, persistence_only},
    {"ioctl", "host_follower", "a client of DHCP asks again", task::carrier, carrier_only},
    {"listen", "auto_forward", "a port that appeared on the other side", task::scan},
    {"openat", "netns_watch", "is the namespace's name still there?", task::watch, look_only},
    {"pipe2", "pipe_pool", "a pipe between two sockets", task::bypass, pipe_flags},
    {"splice", "tcp_splice", "octets between the loopback interfaces", task::bypass},
    {"wait4", "command", "the exit status of the command; orphans are reaped", task::command, no_wait},
};

} // namespace

std::span<const allowed_call> pasta_calls() noexcept { return calls; }

} // namespace tapioca::seccomp
