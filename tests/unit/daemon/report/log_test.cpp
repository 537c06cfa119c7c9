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
        ::dup2(::open("/dev/null", O_WRONLY), STDERR_FILENO);
        std::atomic<bool> sealed = false;
        std::thread other{[&] {
            sealed.wait(false);
            log::error("first");
            ::_exit(0);
        }};
        seccomp::install({});
        sealed = true;
        sealed.notify_all();
        other.join();
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}
