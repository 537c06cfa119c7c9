#include "daemon/os/splice.hpp"

#include <fcntl.h>

namespace tapioca::os {

// syscalls: pipe2
result<pipe_ends> make_pipe() noexcept
{
    int ends[2];
    if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0)
        return last_error();
    return pipe_ends{unique_fd{ends[0]}, unique_fd{ends[1]}};
}

// syscalls: fcntl
result<std::size_t> set_pipe_size(int pipe, std::size_t octets) noexcept
{
    const int size = ::fcntl(pipe, F_SETPIPE_SZ, static_cast<int>(octets));
    if (size < 0)
        return last_error();
    return static_cast<std::size_t>(size);
}

// syscalls: splice
result<std::size_t> splice(int from, int to, std::size_t octets) noexcept
{
    const auto n = ::splice(from, nullptr, to, nullptr, octets, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n < 0)
        return last_error();
    return static_cast<std::size_t>(n);
}

// syscalls: write
result<std::size_t> write_pipe(int pipe, bytes_view octets) noexcept
{
    const auto n = ::write(pipe, octets.data(), octets.size());
    if (n < 0)
        return last_error();
    return static_cast<std::size_t>(n);
}

} // namespace tapioca::os
