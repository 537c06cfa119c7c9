#include "daemon/os/file.hpp"

#include "daemon/os/unix_address.hpp"

#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <system_error>

namespace tapioca::os {

namespace {

unique_fd open_private(const std::string& path, access how, const std::string& what, int content)
{
    const int mode = how == access::read_write ? O_RDWR : O_WRONLY;
    unique_fd fd{::open(path.c_str(), mode | content | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR)};
    if (!fd)
        throw std::system_error(errno, std::generic_category(), what + " " + path);
    return fd;
}

} // namespace

unique_fd create_private_file(const std::string& path, access how, const std::string& what)
{
    return open_private(path, how, what, O_TRUNC);
}

unique_fd open_private_file(const std::string& path, access how, const std::string& what)
{
    return open_private(path, how, what, 0);
}

unique_fd open_to_append(const std::string& path, const std::string& what)
{
    // Another description of what standard output is, as the flags of that one belong to others, too.
    const std::string where = path == "-" ? "/proc/self/fd/1" : path;
    constexpr int flags = O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    struct stat there {};
    const bool is_fifo = ::stat(where.c_str(), &there) == 0 && S_ISFIFO(there.st_mode);
    unique_fd fd; // a FIFO that we could read, too, needs nobody else who does
    if (is_fifo)
        fd = unique_fd{::open(where.c_str(), O_RDWR | flags)};
    if (!fd)
        fd = unique_fd{::open(where.c_str(), O_WRONLY | O_CREAT | flags, S_IRUSR | S_IWUSR)};
    if (!fd)
        throw std::system_error(errno, std::generic_category(), what + " " + path);
    return fd;
}

unique_fd open_null()
{
    unique_fd fd{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    if (!fd)
        throw std::system_error(errno, std::generic_category(), "Couldn't open /dev/null");
    return fd;
}

unique_fd connect_log(const char* path) noexcept
{
    unique_fd fd{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    const timeval longest{1, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest);
    const auto log = unix_address::at_path(path);
    if (fd && ::connect(fd.get(), log.get(), log.length()) != 0)
        fd.reset();
    return fd;
}

// syscalls: write
// syscalls of the watcher: write
result<void> write_all(int fd, std::string_view text) noexcept
{
    while (!text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        if (n < 0 && errno != EINTR)
            return last_error();
        if (n > 0)
            text.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

// syscalls: write
result<std::size_t> write_some(int fd, std::string_view text) noexcept
{
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0)
        return last_error();
    return static_cast<std::size_t>(n);
}

// syscalls: pwrite64
result<void> write_at(int fd, std::string_view text, std::size_t offset) noexcept
{
    while (!text.empty()) {
        const ssize_t n = ::pwrite(fd, text.data(), text.size(), static_cast<off_t>(offset));
        if (n < 0 && errno != EINTR)
            return last_error();
        if (n > 0) {
            text.remove_prefix(static_cast<std::size_t>(n));
            offset += static_cast<std::size_t>(n);
        }
    }
    return {};
}

// syscalls: pread64
result<std::span<char>> read_at(int fd, std::span<char> into, std::size_t offset) noexcept
{
    const ssize_t n = ::pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
    if (n < 0)
        return last_error();
    return into.first(static_cast<std::size_t>(n));
}

// syscalls: read
result<std::size_t> read_some(int fd, std::span<char> into) noexcept
{
    const ssize_t n = ::read(fd, into.data(), into.size());
    if (n < 0)
        return last_error();
    return static_cast<std::size_t>(n);
}

// syscalls: ftruncate
result<void> truncate(int fd, std::size_t size) noexcept
{
    if (::ftruncate(fd, static_cast<off_t>(size)) != 0)
        return last_error();
    return {};
}

// syscalls: sendto
bool send_datagram(int fd, std::string_view text, patience wait) noexcept
{
    return ::send(fd, text.data(), text.size(), MSG_NOSIGNAL | (wait == patience::none ? MSG_DONTWAIT : 0)) >= 0;
}

} // namespace tapioca::os
