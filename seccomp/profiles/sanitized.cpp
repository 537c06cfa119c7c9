// Sanitizers symbolize, map shadow memory and print in their own ways; the process is a test then, not a service.
#include "seccomp/filter.hpp"

#include <asm/ioctls.h>

namespace tapioca::seccomp {
namespace {

constexpr argument_test terminal_only[] = {{1, TCGETS}};

constexpr allowed_call calls[] = {
    {"access", "sanitizer", "looks for its symbolizer"},
    {"clock_nanosleep", "sanitizer", "spinning locks"},
    {"clone", "sanitizer", "starts its symbolizer"},
    {"dup", "sanitizer", "reports"},
    {"dup2", "sanitizer", "reports"},
    {"epoll_pwait", "sanitizer", "the end of the process"},
    {"execve", "sanitizer", "starts its symbolizer"},
    {"exit", "sanitizer", "the end of a thread"},
    {"fcntl", "sanitizer", "reports"},
    {"fork", "sanitizer", "starts its symbolizer"},
    {"fstat", "sanitizer", "reports"},
    {"futex", "sanitizer", "its own locks"},
    {"getcwd", "sanitizer", "reports"},
    {"getdents64", "sanitizer", "counts its threads"},
    {"getpid", "sanitizer", "reports"},
    {"getppid", "sanitizer", "reports"},
    {"getrandom", "sanitizer", "allocator"},
    {"getrlimit", "sanitizer", "stacks"},
    {"gettid", "sanitizer", "reports"},
    {"gettimeofday", "sanitizer", "reports"},
    {"getuid", "sanitizer", "reports"},
    {"ioctl", "sanitizer", "asks whether reports go to a terminal", task::every, terminal_only},
    {"kill", "sanitizer", "the end of the process"},
    {"lseek", "sanitizer", "reports"},
    {"madvise", "sanitizer", "shadow memory"},
    {"mmap", "sanitizer", "shadow memory"},
    {"mprotect", "sanitizer", "shadow memory"},
    {"mremap", "sanitizer", "shadow memory"},
    {"munmap", "sanitizer", "shadow memory"},
    {"nanosleep", "sanitizer", "spinning locks"},
    {"newfstatat", "sanitizer", "reports"},
    {"open", "sanitizer", "reads its own mappings"},
    {"openat", "sanitizer", "reads its own mappings"},
    {"pipe", "sanitizer", "tests whether memory is readable"},
    {"pipe2", "sanitizer", "tests whether memory is readable"},
    {"prctl", "sanitizer", "names its threads"},
    {"prlimit64", "sanitizer", "stacks"},
    {"process_vm_readv", "sanitizer", "reports"},
    {"readlink", "sanitizer", "the name of its own executable"},
    {"rseq", "sanitizer", "registration of a thread"},
    {"rt_sigaction", "sanitizer", "the end of the process"},
    {"rt_sigprocmask", "sanitizer", "the end of a thread"},
    {"rt_sigtimedwait", "sanitizer", "signals"},
    {"sched_getaffinity", "sanitizer", "allocator"},
    {"sched_yield", "sanitizer", "spinning locks"},
    {"set_robust_list", "sanitizer", "registration of a thread"},
    {"sigaltstack", "sanitizer", "the end of a thread"},
    {"stat", "sanitizer", "reports"},
    {"statx", "sanitizer", "reports"},
    {"sysinfo", "sanitizer", "allocator"},
    {"tgkill", "sanitizer", "the end of the process"},
    {"uname", "sanitizer", "allocator"},
    {"unlink", "sanitizer", "reports"},
    {"vfork", "sanitizer", "starts its symbolizer"},
    {"wait4", "sanitizer", "waits for its symbolizer"},
};

} // namespace

std::span<const allowed_call> sanitizer_calls() noexcept { return calls; }

} // namespace tapioca::seccomp
