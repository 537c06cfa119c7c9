#include "daemon/os/process.hpp"
#include "tests/support/catch.hpp"

#include <csignal>
#include <thread>

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
