#include "daemon/stand_in.hpp"

#include "daemon/os/process.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <getopt.h>
#include <net/if.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace tapioca {

struct worker_pool::threads {
    std::thread thread;
    os::unique_fd stop{::eventfd(0, EFD_CLOEXEC)};
};

void worker_pool::start()
{
    threads_ = new threads;
    threads_->thread = std::thread{[stop = threads_->stop.get()] {
        os::block_signals();
        std::uint64_t word;
        (void)!::read(stop, &word, sizeof word);
    }};
}

void worker_pool::stop()
{
    const std::uint64_t word = 1;
    (void)!::write(threads_->stop.get(), &word, sizeof word);
    threads_->thread.join();
}

} // namespace tapioca
