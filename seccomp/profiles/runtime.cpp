// What the C and C++ libraries do by themselves: no wrapper of ours makes these calls, so they carry no tag.
#include "seccomp/filter.hpp"

#include <sys/mman.h>

namespace tapioca::seccomp {
namespace {

constexpr argument_test not_executable[] = {{2, PROT_EXEC, 0}};

constexpr allowed_call calls[] = {
    {"brk", "libc", "the heap of the control plane"},
    {"exit", "libc", "the end of a thread"},
    {"exit_group", "libc", "the end of the process"},
    {"futex", "libc", "joining the workers, locks of the control plane"},
    {"getpid", "libc", "raise and abort"},
    {"gettid", "libc", "raise and abort"},
    {"madvise", "libc", "the stack of a thread that ends"},
    {"mmap", "libc", "the heap of the control plane, never executable", not_executable},
    {"mprotect", "libc", "the heap of the control plane, never executable", not_executable},
    {"munmap", "libc", "memory of the control plane, reservations at the end"},
    {"restart_syscall", "kernel", "a sleep that a signal interrupted goes on"},
    {"rseq", "libc", "registration of a thread"},
    {"rt_sigaction", "asio", "signal handlers are removed at the end"},
    {"rt_sigprocmask", "libc", "the end of a thread, abort"},
    {"rt_sigreturn", "kernel", "the return from a signal handler"},
    {"sched_yield", "libc", "spinning locks"},
    {"set_robust_list", "libc", "registration of a thread"},
    {"tgkill", "libc", "raise and abort: a broken process must be able to end"},
};

} // namespace

std::span<const allowed_call> runtime_calls() noexcept { return calls; }

} // namespace tapioca::seccomp
