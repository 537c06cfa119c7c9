#include "daemon/os/daemonize.hpp"
#include "daemon/os/file.hpp"
#include "tests/support/catch.hpp"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <string>

using namespace tapioca;

namespace {

/// The exit status of a process that runs `work`.
int status_of(const std::function<void()>& work)
{
    const pid_t child = ::fork();
    if (child == 0) {
        work();
        ::_exit(99);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string content(const os::unique_fd& file)
{
    char text[32];
    const ssize_t n = ::pread(file.get(), text, sizeof text, 0);
    return {text, static_cast<std::size_t>(n > 0 ? n : 0)};
}

os::unique_fd same(const os::unique_fd& file) { return os::unique_fd{::dup(file.get())}; }

} // namespace

TEST_CASE("the parent ends with 0 when the child is ready, and the PID file is there by then")
{
    const os::unique_fd pid_file{::memfd_create("pid", MFD_CLOEXEC)};
    int own[2];
    REQUIRE(::pipe(own) == 0);
    CHECK(status_of([&] {
              auto ready = os::readiness::in_background(same(pid_file), os::open_null());
              const std::string pid = std::to_string(::getpid()) + "\n";
              (void)!::write(own[1], pid.data(), pid.size());
              ready.announce();
              ::_exit(0);
          }) == 0);
    char pid[32];
    const ssize_t n = ::read(own[0], pid, sizeof pid);
    CHECK(content(pid_file) == std::string(pid, static_cast<std::size_t>(n)));
    ::close(own[0]);
    ::close(own[1]);
}

TEST_CASE("the parent ends with 1 and writes no PID when the child ends before it is ready")
{
    const os::unique_fd pid_file{::memfd_create("pid", MFD_CLOEXEC)};
    CHECK(status_of([&] {
              auto ready = os::readiness::in_background(same(pid_file), os::open_null());
              ::_exit(0);
          }) == 1);
    CHECK(content(pid_file).empty());
}

TEST_CASE("in the foreground the process writes its own PID")
{
    const os::unique_fd pid_file{::memfd_create("pid", MFD_CLOEXEC)};
    auto ready = os::readiness::in_foreground(same(pid_file));
    CHECK_FALSE(ready.take_error_output());
    ready.announce();
    CHECK(content(pid_file) == std::to_string(::getpid()) + "\n");
}
