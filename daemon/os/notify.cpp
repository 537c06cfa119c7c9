#include "daemon/os/notify.hpp"

#include "daemon/os/unix_address.hpp"

#include <cstdlib>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/time.h>
#include <utility>

namespace tapioca::os {
namespace {

boost::system::error_code failure(int cause) { return {cause, boost::system::system_category()}; }

/// A path, or @ and a name of the abstract namespace.
result<unique_fd> connect_datagram(std::string_view name)
{
    if (name.size() < 2 || (name.front() != '/' && name.front() != '@'))
        return failure(EAFNOSUPPORT);
    if (name.size() > longest_socket_path)
        return failure(ENAMETOOLONG);
    const auto address = name.front() == '@' ? unix_address::of_name(name.substr(1)) : unix_address::at_path(name);
    unique_fd fd{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    const timeval patience{5, 0};
    if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0 ||
        ::connect(fd.get(), address.get(), address.length()) != 0)
        return last_error();
    return fd;
}

} // namespace

result<service_manager> service_manager::from_environment()
{
    service_manager manager;
    const char* value = std::getenv("NOTIFY_SOCKET");
    if (value == nullptr)
        return manager;
    auto connected = connect_datagram(value);
    ::unsetenv("NOTIFY_SOCKET");
    if (!connected)
        return connected.error();
    manager.socket_ = std::move(*connected);
    return manager;
}

result<void> service_manager::ready_instead(pid_t self) { return tell("MAINPID=" + std::to_string(self) + "\nREADY=1"); }

// syscalls: sendto
result<void> service_manager::tell(std::string_view word) noexcept
{
    if (socket_ && ::send(socket_.get(), word.data(), word.size(), MSG_NOSIGNAL) < 0)
        return last_error();
    return {};
}

} // namespace tapioca::os
