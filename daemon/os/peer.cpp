#include "daemon/os/peer.hpp"

#include "daemon/os/socket.hpp"
#include "daemon/os/unix_address.hpp"

#include <array>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace tapioca::os {
namespace {

bool listens(int fd) noexcept
{
    int value = 0;
    socklen_t length = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0 && value != 0;
}

} // namespace

result<unique_fd> connect_to_own(const std::string& path) noexcept
{
    constexpr timeval patience{5, 0};
    const auto address = unix_address::at_path(path);
    unique_fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
        ::connect(fd.get(), address.get(), address.length()) != 0)
        return last_error();
    ucred server{};
    socklen_t length = sizeof server;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &server, &length) != 0)
        return last_error();
    if (server.uid != ::geteuid())
        return boost::system::error_code{EACCES, boost::system::system_category()};
    return fd;
}

// syscalls: getsockopt
int protocol_of(int fd) noexcept
{
    int value = 0;
    socklen_t length = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &value, &length) == 0 ? value : -1;
}

// syscalls: getsockopt
result<binding> binding_of(int fd) noexcept
{
    const auto local = local_endpoint(fd);
    if (!local)
        return local.error();
    std::array<char, IFNAMSIZ> name{};
    socklen_t length = name.size();
    if (::getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name.data(), &length) != 0)
        return last_error();
    binding b{local->address, {}};
    (void)b.interface.assign(name.data()); // IFNAMSIZ - 1 at most
    return b;
}

bool listens_at(int fd, std::string_view path) noexcept
{
    sockaddr_un address{};
    socklen_t length = sizeof address;
    return ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0 && address.sun_family == AF_UNIX &&
           listens(fd) && path.size() < sizeof address.sun_path && path == address.sun_path;
}

bool is_bound_to(int fd, int protocol, std::uint16_t port) noexcept
{
    const auto local = local_endpoint(fd);
    return local && local->port == port && protocol_of(fd) == protocol &&
           (protocol == IPPROTO_TCP ? listens(fd) : protocol == IPPROTO_UDP);
}

} // namespace tapioca::os
