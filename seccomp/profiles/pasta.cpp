// pasta's watch over the namespace and the command that it started.
#include "seccomp/filter.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

namespace tapioca::seccomp {
namespace {

/// A look whether a name is still there, relative to a directory that was opened before: nothing can be read or written through
/// it.
constexpr argument_test look_only[] = {{2, O_PATH | O_CREAT | O_ACCMODE, O_PATH}};

constexpr argument_test pipe_size_only[] = {{1, ~std::uint64_t{0}, F_SETPIPE_SZ}};

constexpr argument_test persistence_only[] = {{1, ~std::uint64_t{0}, TUNSETPERSIST}};

constexpr allowed_call calls[] = {
    {"fcntl", "pipe_pool", "the size of a pipe, nothing else", pipe_size_only},
    {"ioctl", "tun_queue", "the tap goes with its namespace", persistence_only},
    {"listen", "auto_forward", "a port that appeared on the other side"},
    {"openat", "netns_watch", "is the namespace's name still there?", look_only},
    {"pipe2", "pipe_pool", "a pipe between two sockets"},
    {"splice", "tcp_splice", "octets between the loopback interfaces"},
    {"wait4", "command", "the exit status of the command; orphans are reaped"},
};

} // namespace

std::span<const allowed_call> pasta_calls() noexcept { return calls; }

} // namespace tapioca::seccomp
