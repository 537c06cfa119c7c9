// What passt-repair needs, which has nothing to do with what the daemon needs.
#include "seccomp/filter.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/socket.h>

namespace tapioca::seccomp {
namespace {

constexpr argument_test unix_stream[] = {{0, AF_UNIX}, {1, SOCK_STREAM | SOCK_CLOEXEC}, {2, 0}};
constexpr argument_test ambient[] = {{0, PR_CAP_AMBIENT}};
constexpr argument_test repair[] = {{1, IPPROTO_TCP}, {2, TCP_REPAIR}};

constexpr allowed_call calls[] = {
    {"brk", "libc", "memory of a message"},
    {"capget", "capabilities", "what it has, to keep less", task::every},
    {"capset", "capabilities", "less", task::every},
    {"close", "unique_fd", "a socket that is done, a connection that was refused"},
    {"connect", "repair_search", "to passt's socket"},
    {"exit_group", "libc", "the end"},
    {"poll", "repair_search", "the wait for a socket in the directory"},
    {"ppoll", "repair_search", "likewise, where the C library makes that of it"},
    {"prctl", "capabilities", "less", task::every, ambient},
    {"read", "inotify", "what has come into the directory"},
    {"recvmsg", "repair_service", "a command, and sockets beside it"},
    {"restart_syscall", "kernel", "a sleep that a stop interrupted goes on"},
    {"sendto", "repair_service", "the answer"},
    {"setsockopt", "repair_service", "TCP_REPAIR on them", task::every, repair},
    {"socket", "repair_search", "the connection to passt", task::every, unix_stream},
    {"write", "libc", "a message for the user"},
};

} // namespace

std::span<const allowed_call> repair_calls() noexcept { return calls; }

} // namespace tapioca::seccomp
