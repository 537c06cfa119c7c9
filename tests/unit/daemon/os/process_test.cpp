#include "daemon/os/process.hpp"
#include "tests/support/catch.hpp"

#include <csignal>
#include <sched.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace tapioca;

TEST_CASE("a thread that blocks signals still answers for its own faults")
{
    std::thread{[] {
        os::block_signals();
        sigset_t blocked;
        REQUIRE(::pthread_sigmask(SIG_SETMASK, nullptr, &blocked) == 0);
        for (const int asked : {SIGTERM, SIGQUIT, SIGINT, SIGUSR1, SIGPIPE, SIGCHLD})
            CHECK(sigismember(&blocked, asked) == 1);
        for (const int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS})
            CHECK(sigismember(&blocked, fault) == 0);
    }}.join();
}

TEST_CASE("a process that has joined its threads becomes one of a single thread")
{
    const pid_t child = ::fork(); // which has one thread, whatever runs in this process
    REQUIRE(child >= 0);
    if (child == 0) {
        for (int i = 0; i < 500; ++i) {
            std::thread{[] {}}.join();
            os::wait_until_alone();
            if (::unshare(CLONE_THREAD) != 0) // man unshare: EINVAL if the caller is not single-threaded
                ::_exit(1);
        }
        ::_exit(0);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}
