#include "daemon/os/state_pipe.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

namespace tapioca::os {

// syscalls: fstatfs fcntl
bool make_state_pipe(int fd) noexcept
{
    struct statfs files {};
    if (::fstatfs(fd, &files) != 0 || (files.f_type != PIPEFS_MAGIC && files.f_type != SOCKFS_MAGIC))
        return false;
    const int flags = ::fcntl(fd, F_GETFL);
    return flags >= 0 && ((flags & O_NONBLOCK) != 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
}

// syscalls: read
result<std::size_t> read_state(int fd, bytes_span into) noexcept
{
    const auto n = ::read(fd, into.data(), into.size());
    if (n < 0)
        return last_error();
    return static_cast<std::size_t>(n);
}

// syscalls: write
result<std::size_t> write_state(int fd, bytes_view octets) noexcept
{
    const auto n = ::write(fd, octets.data(), octets.size());
    if (n < 0)
        return last_error();
    return static_cast<std::size_t>(n);
}

} // namespace tapioca::os
