#include "daemon/os/process.hpp"
#include "daemon/report/log.hpp"
#include "seccomp/filter.hpp"
#include "tests/support/catch.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

using namespace tapioca;

TEST_CASE("a thread's first line may come when the process is sealed")
{
    const pid_t child = ::fork();
    if (child == 0) {
        os::use_one_heap(); // as the program does: another heap for the thread would be mapped
        ::dup2(::open("/dev/null", O_WRONLY), STDERR_FILENO);
        std::atomic<bool> started = false, sealed = false;
        std::thread other{[&] {
            started = true;
            sealed.wait(false);
            log::error("first");
            ::_exit(0);
        }};
        while (!started) // a thread's own start is not for a sealed process
            std::this_thread::yield();
        seccomp::install({});
        sealed = true;
        sealed.notify_all();
        other.join();
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}
