#include "daemon/os/stream_listener.hpp"

#include "daemon/os/unix_address.hpp"

#include <climits>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
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

/// Locks the directory against other instances: two that find the same stale socket would each remove what the other has just
/// bound. If another program holds the lock, or the directory cannot be read, we go on without it after a second.
unique_fd lock_directory_of(const std::string& path) noexcept
{
    constexpr int tries = 100;
    constexpr timespec pause{0, 10'000'000};
    const auto slash = path.rfind('/');
    const auto directory = slash == std::string::npos ? std::string{"."} : path.substr(0, slash + 1);
    unique_fd fd{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    for (int i = 0; fd && i < tries && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK; ++i)
        ::nanosleep(&pause, nullptr);
    return fd;
}

/// Whether there is something that is no socket: connect(2) refuses that as it refuses a dead socket.
bool is_other_file(const std::string& path) noexcept
{
    struct stat about {};
    return ::lstat(path.c_str(), &about) == 0 && !S_ISSOCK(about.st_mode);
}

} // namespace

result<unique_fd> listen_stream(const std::string& path, int backlog) noexcept
{
    if (path.empty() || path.size() > longest_socket_path)
        return boost::system::error_code{ENAMETOOLONG, boost::system::system_category()};
    const auto address = unix_address::at_path(path);

    const auto lock = lock_directory_of(path);
    // A datagram socket, so that a listening instance does not see a client come and go: the kernel finds it, and refuses the
    // type (EPROTOTYPE).
    const unique_fd probe{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    if (!probe)
        return last_error();
    if (is_other_file(path) || ::connect(probe.get(), address.get(), address.length()) == 0 ||
        (errno != ENOENT && errno != ECONNREFUSED && errno != EACCES))
        return boost::system::error_code{EADDRINUSE, boost::system::system_category()};

    auto fd = stream_socket();
    if (!fd)
        return last_error();
    (void)::unlink(path.c_str());
    if (::bind(fd.get(), address.get(), address.length()) < 0 || ::listen(fd.get(), backlog) < 0)
        return last_error();
    return fd;
}

result<unique_fd> listen_abstract(std::string_view name) noexcept
{
    if (name.size() > longest_socket_path)
        return boost::system::error_code{ENAMETOOLONG, boost::system::system_category()};
    const auto address = unix_address::of_name(name);
    auto fd = stream_socket();
    if (!fd || ::bind(fd.get(), address.get(), address.length()) < 0 || ::listen(fd.get(), waiting_clients) < 0)
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
        client.pid = peer.pid, client.uid = peer.uid;
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
