#include "daemon/os/namespaces.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sched.h>
#include <system_error>
#include <unistd.h>

namespace tapioca::os {

result<unique_fd> open_namespace(const std::string& path) noexcept
{
    unique_fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (fd && fd.get() <= STDERR_FILENO) // which the caller had closed
        fd = unique_fd{::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1)};
    if (!fd)
        return last_error();
    return fd;
}

void join_network_namespace(int fd)
{
    if (::setns(fd, CLONE_NEWNET) != 0)
        throw std::system_error(errno, std::generic_category(), "Couldn't switch to pasta namespaces");
}

} // namespace tapioca::os
