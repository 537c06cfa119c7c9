#include "daemon/os/stream_listener.hpp"

#include <climits>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace tapioca::os {
namespace {

unique_fd stream_socket() { return unique_fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)}; }

// syscalls: setsockopt
void enlarge_buffers(int fd) noexcept
{
    const int most = INT_MAX / 2; // the kernel cuts it to net.core.wmem_max and rmem_max
    (void)::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &most, sizeof most);
    (void)::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &most, sizeof most);
}

} // namespace

result<unique_fd> listen_stream(const std::string& path) noexcept
{
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (path.empty() || path.size() > longest_socket_path)
        return boost::system::error_code{ENAMETOOLONG, boost::system::system_category()};
    std::memcpy(name.sun_path, path.c_str(), path.size() + 1);
    const auto* address = reinterpret_cast<const sockaddr*>(&name);

    const auto probe = stream_socket();
    if (!probe)
        return last_error();
    // A full backlog is somebody who answers, later.
    if (::connect(probe.get(), address, sizeof name) == 0 || (errno != ENOENT && errno != ECONNREFUSED && errno != EACCES))
        return boost::system::error_code{EADDRINUSE, boost::system::system_category()};

    auto fd = stream_socket();
    if (!fd)
        return last_error();
    (void)::unlink(path.c_str());
    if (::bind(fd.get(), address, sizeof name) < 0 || ::listen(fd.get(), 0) < 0)
        return last_error();
    return fd;
}

// syscalls: accept4 getsockopt
result<stream_client> accept_stream(int listener) noexcept
{
    stream_client client{unique_fd{::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)}};
    if (!client.fd)
        return last_error();
    ucred peer{};
    socklen_t length = sizeof peer;
    if (::getsockopt(client.fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0)
        client.pid = peer.pid;
    enlarge_buffers(client.fd.get());
    return client;
}

result<unique_fd> adopt_stream(int inherited) noexcept
{
    int type = 0;
    socklen_t length = sizeof type;
    if (::getsockopt(inherited, SOL_SOCKET, SO_TYPE, &type, &length) < 0)
        return last_error();
    if (type != SOCK_STREAM)
        return boost::system::error_code{ESOCKTNOSUPPORT, boost::system::system_category()};
    unique_fd fd{::fcntl(inherited, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)};
    const int flags = fd ? ::fcntl(fd.get(), F_GETFL) : -1;
    if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) < 0)
        return last_error();
    ::close(inherited); // where it was standard input or output, /dev/null comes into its place
    enlarge_buffers(fd.get());
    return fd;
}

} // namespace tapioca::os
