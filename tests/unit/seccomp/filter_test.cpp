#include "seccomp/filter.hpp"
#include "tests/support/catch.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <set>
#include <string>
#include <thread>

using namespace tapioca;

namespace {

constexpr int allowed = 0;

/// How a process ends that installs the filter and then does `work`: 0 if all was allowed, SIGSYS if not.
int end_of(seccomp::profile which, const std::function<void()>& work)
{
    const pid_t child = ::fork();
    if (child == 0) {
        seccomp::install(which);
        work();
        ::_exit(allowed);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
        return WTERMSIG(status);
    return WEXITSTATUS(status) == 128 + SIGSYS ? SIGSYS : WEXITSTATUS(status); // builds that trap
}

} // namespace

TEST_CASE("what the profiles list is allowed")
{
    CHECK(end_of(seccomp::profile::passt, [] {
              const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
              ::close(fd);
              char* memory = new char[1 << 20];
              *static_cast<volatile char*>(memory) = 1;
              delete[] memory;
          }) == allowed);
}

TEST_CASE("a call that no profile lists ends the process")
{
    CHECK(end_of(seccomp::profile::passt, [] { (void)!::chdir("/"); }) == SIGSYS);
    CHECK(end_of(seccomp::profile::pasta, [] { (void)!::execl("/bin/true", "true", nullptr); }) == SIGSYS);
    CHECK(end_of(seccomp::profile::pasta, [] { (void)!::setuid(0); }) == SIGSYS);
}

TEST_CASE("sockets are of the internet families only")
{
    CHECK(end_of(seccomp::profile::pasta, [] { ::socket(AF_INET6, SOCK_STREAM, 0); }) == allowed);
    CHECK(end_of(seccomp::profile::pasta, [] { ::socket(AF_UNIX, SOCK_STREAM, 0); }) == SIGSYS);
    CHECK(end_of(seccomp::profile::pasta, [] { ::socket(AF_NETLINK, SOCK_RAW, 0); }) == SIGSYS);
    CHECK(end_of(seccomp::profile::pasta, [] { ::socket(AF_PACKET, SOCK_RAW, 0); }) == SIGSYS);
}

#ifndef TAPIOCA_SANITIZED // sanitizers open files and map memory as they like
TEST_CASE("pasta may look for a name, not open a file; passt may do neither")
{
    const auto look = [] { ::openat(AT_FDCWD, "/", O_PATH | O_CLOEXEC); };
    CHECK(end_of(seccomp::profile::pasta, look) == allowed);
    CHECK(end_of(seccomp::profile::passt, look) == SIGSYS);
    CHECK(end_of(seccomp::profile::pasta, [] { ::openat(AT_FDCWD, "/dev/null", O_RDONLY); }) == SIGSYS);
    CHECK(end_of(seccomp::profile::pasta, [] { ::openat(AT_FDCWD, "/dev/null", O_WRONLY | O_CREAT, 0600); }) == SIGSYS);
}

TEST_CASE("memory never becomes executable")
{
    CHECK(end_of(seccomp::profile::pasta,
                 [] { ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }) == SIGSYS);
}
#endif

TEST_CASE("the filter reaches threads that were there before")
{
    const pid_t child = ::fork();
    if (child == 0) {
        std::atomic<bool> sealed = false;
        std::thread other{[&] {
            sealed.wait(false);
            (void)!::chdir("/");
        }};
        seccomp::install(seccomp::profile::pasta);
        sealed = true;
        sealed.notify_all();
        other.join();
        ::_exit(allowed);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK((WIFSIGNALED(status) || WEXITSTATUS(status) == 128 + SIGSYS));
}

TEST_CASE("a table has no line twice, unless for another argument")
{
    for (const auto table : {seccomp::runtime_calls(), seccomp::pasta_calls(), seccomp::sanitizer_calls()}) {
        std::set<std::string> names;
        for (const auto& call : table)
            CHECK(names.insert(call.name).second);
    }
}
