#include "daemon/os/process.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <span>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tapioca::os {

namespace {

std::optional<rlim_t> callers_soft_limit;

} // namespace

void raise_descriptor_limit() noexcept
{
    rlimit limit = {};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    callers_soft_limit = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::size_t descriptor_limit() noexcept
{
    rlimit limit = {};
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 1024;
}

void give_back_descriptor_limit() noexcept
{
    rlimit limit = {};
    if (!callers_soft_limit || ::getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = *callers_soft_limit;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

void make_room_for_descriptors(std::size_t count) noexcept
{
    const std::size_t most = std::min(count, descriptor_limit());
    if (const int last = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, static_cast<int>(most) - 1); last >= 0)
        ::close(last);
}

void wait_until_alone() noexcept
{
    // unshare(2): without effect for a single thread, EINVAL among several. A second and more, for a busy machine.
    for (int i = 0; i < 20'000 && ::unshare(CLONE_THREAD) != 0 && errno == EINVAL; ++i)
        ::usleep(20);
}

void use_one_heap() noexcept
{
    ::mallopt(M_ARENA_MAX, 1);
#ifndef TAPIOCA_SANITIZED // whose allocator is another one
    ::mallopt(M_MMAP_MAX, 0);
#endif
}

void forget_start_up_code() noexcept
{
    const auto each_object = [](dl_phdr_info* object, std::size_t, void*) {
        for (const auto& segment : std::span{object->dlpi_phdr, object->dlpi_phnum}) {
            if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0)
                continue;
            const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
            const std::uintptr_t first = (object->dlpi_addr + segment.p_vaddr) / page * page;
            const std::uintptr_t end = (object->dlpi_addr + segment.p_vaddr + segment.p_memsz) / page * page;
            if (first < end)
                ::madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
        }
        return 0;
    };
    ::dl_iterate_phdr(each_object, nullptr);
}

void ignore_broken_pipes() noexcept { std::signal(SIGPIPE, SIG_IGN); }

void end_on_termination() noexcept
{
    for (const int number : {SIGTERM, SIGQUIT})
        std::signal(number, [](int) { ::_exit(EXIT_SUCCESS); });
}

void forget_termination() noexcept
{
    for (const int number : {SIGTERM, SIGQUIT})
        std::signal(number, SIG_DFL);
}

void block_signals() noexcept
{
    sigset_t all;
    ::sigfillset(&all);
    // A fault of the thread's own kills without a word where it is blocked; sanitizers and trapped system calls have something to
    // say.
    for (const int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS})
        ::sigdelset(&all, fault);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
}

void unblock_signals() noexcept
{
    sigset_t none;
    ::sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

pid_t own_pid() noexcept { return ::getpid(); }

std::string executable_path()
{
    char path[PATH_MAX];
    const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
    return length > 0 ? std::string(path, static_cast<std::size_t>(length)) : std::string{};
}

bool is_root() noexcept { return ::geteuid() == 0; }

account current_account() noexcept { return {::geteuid(), ::getegid()}; }

account nobody()
{
    constexpr account customary{65534, 65534};
    return find_login("nobody").value_or(customary);
}

void end_process(int status) noexcept { ::_exit(status); }

// syscalls: wait4
std::optional<int> reap_children(pid_t pid) noexcept
{
    std::optional<int> outcome;
    int status = 0;
    for (pid_t ended; (ended = ::waitpid(-1, &status, WNOHANG)) > 0;)
        if (ended == pid)
            outcome = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return outcome;
}

} // namespace tapioca::os
