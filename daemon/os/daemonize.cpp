#include "daemon/os/daemonize.hpp"

#include "daemon/os/file.hpp"
#include "daemon/os/process.hpp"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace tapioca::os {
namespace {

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

void write_pid(int fd, pid_t pid)
{
    if (!write_all(fd, std::to_string(pid) + "\n"))
        fail("Couldn't write PID file");
}

/// The end of the parent: it must run nothing of what the child has inherited.
[[noreturn]] void wait_for_word(int from_child, pid_t child, int pid_file) noexcept
{
    forget_termination(); // status 0 says that the child is ready
    char word = 0;
    ssize_t n;
    do
        n = ::read(from_child, &word, 1);
    while (n < 0 && errno == EINTR);
    if (n == 1 && pid_file >= 0)
        (void)truncate(pid_file, 0); // it may be another process'
    if (n == 1 && pid_file >= 0 && !write_all(pid_file, std::to_string(child) + "\n"))
        n = 0;
    if (n != 1)
        ::waitpid(child, nullptr, 0); // its message comes before our end
    ::_exit(n == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

} // namespace

readiness readiness::in_foreground(unique_fd pid_file)
{
    readiness ready;
    ready.pid_file_ = std::move(pid_file);
    ready.pid_ = ::getpid();
    return ready;
}

readiness readiness::in_background(unique_fd pid_file, const unique_fd& null)
{
    int ends[2], numbers[2];
    if (::pipe2(ends, O_CLOEXEC) != 0 || ::pipe2(numbers, O_CLOEXEC) != 0)
        fail("Couldn't make a pipe");
    readiness ready;
    ready.from_parent_ = unique_fd{numbers[0]};
    unique_fd to_child{numbers[1]};
    const unique_fd from_child{ends[0]};
    ready.to_parent_ = unique_fd{ends[1]};
    const pid_t child = ::fork();
    if (child < 0)
        fail("Couldn't fork");
    if (child > 0) {
        ready.to_parent_.reset(); // or the end of the child would never be seen
        (void)write_all(to_child.get(), {reinterpret_cast<const char*>(&child), sizeof child});
        wait_for_word(from_child.get(), child, pid_file.get());
    }
    ::setsid();
    ready.error_output_ = unique_fd{::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)};
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (::dup2(null.get(), standard) < 0)
            fail("Couldn't release standard input and output");
    return ready;
}

pid_t readiness::pid_for_caller() noexcept
{
    if (from_parent_ && ::read(from_parent_.get(), &pid_, sizeof pid_) != sizeof pid_)
        pid_ = 0;
    from_parent_.reset();
    return pid_;
}

// syscalls: write close
void readiness::announce()
{
    if (pid_file_ && replaces_ && !truncate(pid_file_.get(), 0))
        fail("Couldn't write PID file");
    if (pid_file_)
        write_pid(pid_file_.get(), pid_);
    pid_file_.reset();
    if (to_parent_ && !write_all(to_parent_.get(), "\n"))
        fail("Couldn't tell the parent");
    to_parent_.reset();
    from_parent_.reset();
}

} // namespace tapioca::os
