// Sanitizers symbolize, map shadow memory and print in their own ways; the process is a test then, not a service.
#include "seccomp/filter.hpp"

namespace tapioca::seccomp {
namespace {

constexpr allowed_call calls[] = {
    {"access", "sanitizer", "looks for its symbolizer"},
    {"dup", "sanitizer", "reports"},
    {"dup2", "sanitizer", "reports"},
    {"fcntl", "sanitizer", "reports"},
    {"fstat", "sanitizer", "reports"},
    {"getcwd", "sanitizer", "reports"},
    {"getrandom", "sanitizer", "allocator"},
    {"getrlimit", "sanitizer", "stacks"},
    {"gettimeofday", "sanitizer", "reports"},
    {"getuid", "sanitizer", "reports"},
    {"ioctl", "sanitizer", "whether reports may have colours"},
    {"kill", "sanitizer", "the end of the process"},
    {"lseek", "sanitizer", "reports"},
    {"mmap", "sanitizer", "shadow memory"},
    {"mprotect", "sanitizer", "shadow memory"},
    {"mremap", "sanitizer", "shadow memory"},
    {"nanosleep", "sanitizer", "spinning locks"},
    {"clock_nanosleep", "sanitizer", "spinning locks"},
    {"newfstatat", "sanitizer", "reports"},
    {"open", "sanitizer", "reads its own mappings"},
    {"openat", "sanitizer", "reads its own mappings"},
    {"pipe", "sanitizer", "tests whether memory is readable"},
    {"pipe2", "sanitizer", "tests whether memory is readable"},
    {"prlimit64", "sanitizer", "stacks"},
    {"process_vm_readv", "sanitizer", "reports"},
    {"readlink", "sanitizer", "the name of its own executable"},
    {"rt_sigtimedwait", "sanitizer", "signals"},
    {"sched_getaffinity", "sanitizer", "allocator"},
    {"sigaltstack", "sanitizer", "the end of a thread"},
    {"stat", "sanitizer", "reports"},
    {"statx", "sanitizer", "reports"},
    {"sysinfo", "sanitizer", "allocator"},
    {"uname", "sanitizer", "allocator"},
    {"unlink", "sanitizer", "reports"},
};

} // namespace

std::span<const allowed_call> sanitizer_calls() noexcept { return calls; }

} // namespace tapioca::seccomp
