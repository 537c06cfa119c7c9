#include "daemon/os/namespaces.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sched.h>
#include <system_error>

namespace tapioca::os {

unique_fd open_namespace(const std::string& path, const std::string& what)
{
    unique_fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!fd)
        throw std::system_error(errno, std::generic_category(), what + " " + path);
    return fd;
}

void join_network_namespace(int fd)
{
    if (::setns(fd, CLONE_NEWNET) != 0)
        throw std::system_error(errno, std::generic_category(), "Couldn't switch to pasta namespaces");
}

} // namespace tapioca::os
