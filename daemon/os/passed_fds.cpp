#include "daemon/os/passed_fds.hpp"

#include "daemon/os/passed_rights.hpp"

#include <algorithm>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/socket.h>
#include <sys/statfs.h>

namespace tapioca::os {

// syscalls: recvmsg close
result<std::size_t> receive(int socket, bytes_span into, passed_fds& passed) noexcept
{
    alignas(cmsghdr) std::array<char, CMSG_SPACE(passed_fds::most * sizeof(int))> control;
    iovec where{into.data(), into.size()};
    msghdr message{};
    message.msg_iov = &where;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const auto n = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return last_error();
    passed.too_many = passed.too_many || (message.msg_flags & MSG_CTRUNC) != 0;
    each_passed_fd(message, [&](unique_fd came) {
        if (passed.count == passed_fds::most)
            passed.too_many = true;
        else
            passed.fds[passed.count++] = std::move(came);
    });
    return static_cast<std::size_t>(n);
}

// syscalls: getsockname
bool is_unix_socket(int fd) noexcept
{
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    return ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0 && address.ss_family == AF_UNIX;
}

/// An eventfd is an anonymous inode, which a pipe or a file is not: they could make a writer wait, whatever their flags.
// syscalls: fstatfs fcntl
bool make_signal_fd(int fd) noexcept
{
    struct statfs files {};
    if (::fstatfs(fd, &files) != 0 || files.f_type != ANON_INODE_FS_MAGIC)
        return false;
    const int flags = ::fcntl(fd, F_GETFL);
    return flags >= 0 && ((flags & O_NONBLOCK) != 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
}

} // namespace tapioca::os
