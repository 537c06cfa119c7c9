#include "daemon/os/lifeline.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

namespace tapioca::os {
namespace {

/// A datagram socket, and one that listens, have no other end.
bool is_connected_unix_socket(int fd) noexcept
{
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    int type = 0;
    socklen_t size = sizeof type;
    return ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) == 0 && peer.ss_family == AF_UNIX &&
           ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type != SOCK_DGRAM;
}

} // namespace

result<unique_fd> adopt_lifeline(int inherited) noexcept
{
    struct stat about {};
    if (::fstat(inherited, &about) != 0)
        return last_error();
    const bool tells = S_ISFIFO(about.st_mode) || (S_ISSOCK(about.st_mode) && is_connected_unix_socket(inherited));
    if (!tells)
        return boost::system::error_code{EINVAL, boost::system::system_category()};
    if (::fcntl(inherited, F_SETFD, FD_CLOEXEC) != 0)
        return last_error();
    return unique_fd{inherited};
}

} // namespace tapioca::os
