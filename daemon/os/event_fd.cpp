#include "daemon/os/event_fd.hpp"

#include <cerrno>
#include <sys/eventfd.h>
#include <system_error>

namespace tapioca::os {

// Only before sealing.
unique_fd make_event_fd(unsignalled clear)
{
    unique_fd fd{::eventfd(0, EFD_CLOEXEC | (clear == unsignalled::returns ? EFD_NONBLOCK : 0))};
    if (!fd)
        throw std::system_error(errno, std::generic_category(), "Couldn't create an event descriptor");
    return fd;
}

// syscalls: write
void signal(int event_fd) noexcept
{
    const std::uint64_t one = 1;
    (void)!::write(event_fd, &one, sizeof one);
}

// syscalls: read
void clear(int event_fd) noexcept
{
    std::uint64_t count;
    (void)!::read(event_fd, &count, sizeof count);
}

} // namespace tapioca::os
