// What the C and C++ libraries do by themselves: no wrapper of ours makes these calls, so they carry no tag. Threads neither
// begin nor end while the filter is there, and the heap grows by brk(2) alone, so nothing maps memory or changes what it is for.
#include "seccomp/filter.hpp"

#include <linux/futex.h>

namespace tapioca::seccomp {
namespace {

/// Without priority inheritance and requeueing, which nobody here uses.
constexpr std::uint32_t operation = static_cast<std::uint32_t>(FUTEX_CMD_MASK);
constexpr argument_test futex_wait[] = {{1, FUTEX_WAIT, operation}};
constexpr argument_test futex_wait_until[] = {{1, FUTEX_WAIT_BITSET, operation}};
constexpr argument_test futex_wake[] = {{1, FUTEX_WAKE, operation}};

constexpr allowed_call calls[] = {
    {"brk", "libc", "the heap of the control plane"},
    {"exit_group", "libc", "the end of the process"},
    {"futex", "libc", "locks and semaphores", task::every, futex_wait},
    {"futex", "libc", "locks and semaphores", task::every, futex_wait_until},
    {"futex", "libc", "locks and semaphores", task::every, futex_wake},
    {"restart_syscall", "kernel", "a sleep that a signal interrupted goes on"},
    {"rt_sigreturn", "kernel", "the return from a signal handler"},
    {"sched_yield", "libstdc++", "a semaphore that spins before it waits"},
};

} // namespace

std::span<const allowed_call> runtime_calls() noexcept { return calls; }

} // namespace tapioca::seccomp
