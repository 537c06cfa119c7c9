#include "seccomp/helper_cage.hpp"

#include "seccomp/landlock.hpp"
#include "tests/support/catch.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <functional>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace tapioca;
using seccomp::helper;

namespace {

constexpr int allowed = 0, not_sealed = 99;

int ending(const std::function<int()>& work)
{
    const pid_t child = ::fork();
    if (child == 0)
        ::_exit(work());
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

/// How a helper ends that does `work` when it is sealed: as `work` says, or by SIGSYS.
int end_of(helper who, const std::function<int()>& work)
{
    return ending([&] {
        seccomp::confine_helper();
        const seccomp::helper_cage cage;
        if (!cage.seal(helper::guardian) || (who == helper::watcher && !cage.seal(helper::watcher)))
            return not_sealed;
        return work();
    });
}

int opens(int flags, const char* path = "/dev/null")
{
    const int fd = ::openat(AT_FDCWD, path, flags | O_CLOEXEC, 0600);
    return fd >= 0 ? allowed : errno;
}

} // namespace

TEST_CASE("the watcher opens files to read them, looks at links and is told of changes")
{
    CHECK(end_of(helper::watcher, [] {
              char octets[64];
              const int fd = ::openat(AT_FDCWD, "/etc/passwd", O_RDONLY | O_CLOEXEC);
              if (fd < 0 || ::read(fd, octets, sizeof octets) <= 0 || ::close(fd) != 0)
                  return errno;
              (void)!::readlinkat(AT_FDCWD, "/etc/passwd", octets, sizeof octets);
              return errno == EINVAL ? allowed : errno;
          }) == allowed);
    CHECK(end_of(helper::watcher, [] { return ::inotify_add_watch(-1, "/", IN_CREATE) < 0 && errno == EBADF ? allowed : 1; }) ==
          allowed);
}

#ifndef TAPIOCA_SANITIZED // sanitizers open files, map memory and start programs as they like
TEST_CASE("the watcher writes no file, and makes none")
{
    for (const int flags : {O_WRONLY, O_RDWR, O_RDONLY | O_CREAT, O_RDONLY | O_TRUNC, O_RDWR | O_TMPFILE})
        CHECK(end_of(helper::watcher, [=] { return opens(flags, "/tmp"); }) == SIGSYS);
    CHECK(end_of(helper::watcher, [] { return ::mkdirat(AT_FDCWD, "/tmp/never", 0700); }) == SIGSYS);
    CHECK(end_of(helper::watcher, [] { return ::unlinkat(AT_FDCWD, "/tmp/never", 0); }) == SIGSYS);
    CHECK(end_of(helper::watcher, [] { return ::ftruncate(0, 0); }) == SIGSYS);
}

TEST_CASE("neither helper has sockets, programs, memory to execute, or a way to other processes")
{
    for (const helper who : {helper::watcher, helper::guardian}) {
        CHECK(end_of(who, [] { return ::socket(AF_INET, SOCK_DGRAM, 0); }) == SIGSYS);
        CHECK(end_of(who, [] { return ::socket(AF_UNIX, SOCK_STREAM, 0); }) == SIGSYS);
        CHECK(end_of(who, [] { return ::execl("/bin/true", "true", nullptr); }) == SIGSYS);
        CHECK(end_of(who, [] { return ::kill(::getppid(), 0); }) == SIGSYS);
        CHECK(end_of(who, [] { return static_cast<int>(::ptrace(PTRACE_TRACEME, 0, 0, 0)); }) == SIGSYS);
        CHECK(end_of(who, [] { return ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != nullptr; }) ==
              SIGSYS);
        CHECK(end_of(who, [] { return ::chdir("/"); }) == SIGSYS);
        CHECK(end_of(who, [] { return ::dup2(0, 1); }) == SIGSYS);
    }
}

TEST_CASE("the guardian forks, and nothing but that; the watcher cannot")
{
    const auto forks = [](unsigned long flags) {
        return [flags] {
            const long child = ::syscall(SYS_clone, flags, nullptr, nullptr, nullptr, nullptr);
            if (child == 0)
                ::_exit(allowed);
            int status = -1;
            return ::waitpid(static_cast<pid_t>(child), &status, 0) == child ? status : errno;
        };
    };
    CHECK(end_of(helper::guardian, forks(SIGCHLD)) == allowed);
    CHECK(end_of(helper::guardian, forks(SIGCHLD | CLONE_NEWUSER)) == SIGSYS);
    CHECK(end_of(helper::watcher, forks(SIGCHLD)) == SIGSYS);
    CHECK(end_of(helper::watcher, [] { return ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }) == SIGSYS);
    CHECK(end_of(helper::guardian, [] { return ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }) == SIGSYS);
}
#endif

TEST_CASE("without the filter, what Landlock leaves is reading")
{
    if (landlock::kernel_abi() == 0) {
        WARN("this kernel has no Landlock");
        return;
    }
    const auto confined = [](const std::function<int()>& work) {
        return ending([&] { return landlock::confine_to_reading() ? work() : not_sealed; });
    };
    CHECK(confined([] { return opens(O_RDONLY, "/etc/passwd"); }) == allowed);
    CHECK(confined([] { return opens(O_RDONLY | O_DIRECTORY, "/"); }) == allowed);
    CHECK(confined([] { return opens(O_WRONLY); }) == EACCES);
    CHECK(confined([] { return opens(O_RDWR | O_CREAT, "/tmp/tapioca-never"); }) == EACCES);
    CHECK(confined([] { return ::execl("/bin/true", "true", nullptr) < 0 ? errno : allowed; }) == EACCES);
}

TEST_CASE("the helpers' system calls are few")
{
    WARN("watcher: " << seccomp::size_of(helper::watcher) << " system calls, guardian: " << seccomp::size_of(helper::guardian));
    CHECK(seccomp::size_of(helper::watcher) <= 12);
    CHECK(seccomp::size_of(helper::guardian) <= 17);
}
