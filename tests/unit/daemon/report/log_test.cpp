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
        os::use_one_heap();
        ::dup2(::open("/dev/null", O_WRONLY), STDERR_FILENO);
        std::atomic<bool> running = false, sealed = false;
        std::thread other{[&] {
            running = true; // what libraries do at the beginning of a thread is done
            running.notify_all();
            sealed.wait(false);
            log::error("first");
            ::_exit(0);
        }};
        running.wait(false);
        seccomp::install({});
        sealed = true;
        sealed.notify_all();
        other.join();
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}
