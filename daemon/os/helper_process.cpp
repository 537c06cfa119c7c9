#include "daemon/os/helper_process.hpp"

#include "daemon/os/file.hpp"
#include "daemon/os/process.hpp"

#include <algorithm>
#include <cinttypes>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tapioca::os {
namespace {

constexpr int lowest = STDERR_FILENO + 1;
constexpr std::size_t longest_name = 15; ///< of a process: prctl(2)

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

void close_from(int first) noexcept
{
    if (::syscall(SYS_close_range, first, ~0U, 0U) == 0)
        return;
    for (int fd = first, end = static_cast<int>(descriptor_limit()); fd < end; ++fd) // before Linux 5.9
        ::close(fd);
}

/// Writes a name over the words that the program was started with.
void replace_arguments(const char* name) noexcept
{
    std::FILE* file = std::fopen("/proc/self/stat", "re");
    if (file == nullptr)
        return;
    std::uintptr_t first = 0, end = 0; // proc(5): the 48th and the 49th field
    const int found = std::fscanf(
        file,
        "%*[^)]) %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
        "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNuPTR " %" SCNuPTR,
        &first, &end);
    std::fclose(file);
    if (found != 2 || first >= end)
        return;
    std::memset(reinterpret_cast<void*>(first), 0, end - first);
    std::memcpy(reinterpret_cast<void*>(first), name, std::min(std::strlen(name), end - first - 1));
}

} // namespace

result<report_pipe> make_report_pipe() noexcept
{
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return last_error();
    report_pipe made{unique_fd{ends[0]}, unique_fd{ends[1]}};
    if (::fcntl(made.to_read.get(), F_SETFL, O_NONBLOCK) != 0)
        return last_error();
    return made;
}

unique_fd leave_everything_but(unique_fd kept)
{
    block_signals();
    forget_termination();
    std::signal(SIGCHLD, SIG_DFL); // ignored, it would reap children without a word
    ::setsid();
    if (kept.get() != lowest && ::dup2(kept.get(), lowest) < 0)
        fail("Couldn't keep a descriptor");
    (void)kept.release();
    close_from(lowest + 1);
    const unique_fd null = open_null();
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (::dup2(null.get(), standard) < 0)
            fail("Couldn't release standard input and output");
    if (::chdir("/") != 0)
        fail("Couldn't change to the root directory");
    return unique_fd{lowest};
}

// syscalls of the guardian: prctl
void name_role(std::string_view role) noexcept
{
    constexpr auto longest = longest_name;
    char name[longest + 1] = {};
    ::prctl(PR_GET_NAME, name, 0, 0, 0);
    const std::string_view program{name, std::min(std::string_view{name}.find('.'), std::strlen(name))};
    std::size_t at = std::min(program.size(), longest - std::min(role.size(), longest));
    for (const char c : role.substr(0, longest - at))
        name[at++] = c;
    name[at] = '\0';
    ::prctl(PR_SET_NAME, name, 0, 0, 0);
}

void hide_command_line() noexcept
{
    char name[longest_name + 1] = {};
    ::prctl(PR_GET_NAME, name, 0, 0, 0);
    replace_arguments(name);
}

void forget_heap() noexcept
{
#ifndef TAPIOCA_SANITIZED // whose allocator is another one
    std::uintptr_t first = 0, end = 0;
    if (std::FILE* maps = std::fopen("/proc/self/maps", "re")) {
        char line[PATH_MAX + 128];
        while (std::fgets(line, sizeof line, maps) != nullptr)
            if (std::strstr(line, "[heap]") != nullptr)
                std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &first, &end);
        std::fclose(maps);
    }
    if (first < end)
        ::madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
#endif
}

// syscalls of the guardian: clone
result<pid_t> split() noexcept
{
    const long child = ::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr);
    if (child < 0)
        return last_error();
    return static_cast<pid_t>(child);
}

unique_fd end_of(pid_t process) noexcept
{
#ifdef SYS_pidfd_open
    return unique_fd{static_cast<int>(::syscall(SYS_pidfd_open, process, 0U))};
#else
    (void)process;
    return {};
#endif
}

// syscalls of the guardian: wait4
bool ended_well(pid_t child) noexcept
{
    int status = 0;
    pid_t ended;
    do
        ended = ::waitpid(child, &status, 0);
    while (ended < 0 && errno == EINTR);
    return ended == child && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

// syscalls of the watcher: openat
unique_fd open_mount_table() noexcept { return unique_fd{::openat(AT_FDCWD, "/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)}; }

// syscalls of the watcher: ppoll
wake sleep_on(int to_write, int events, int mounts, std::optional<std::chrono::milliseconds> longest) noexcept
{
    pollfd on[] = {{to_write, 0, 0}, {events, POLLIN, 0}, {mounts, POLLPRI, 0}};
    const timespec limit{longest ? longest->count() / 1000 : 0, longest ? longest->count() % 1000 * 1'000'000 : 0};
    if (::ppoll(on, std::size(on), longest ? &limit : nullptr, nullptr) <= 0)
        return {};
    return {on[0].revents != 0, on[1].revents != 0, on[2].revents != 0};
}

} // namespace tapioca::os
