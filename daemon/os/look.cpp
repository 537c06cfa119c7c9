#include "daemon/os/look.hpp"

#include "daemon/os/unique_fd.hpp"

#include <fcntl.h>
#include <sys/stat.h>

namespace tapioca::os {
namespace {

boost::system::error_code error(int number) noexcept { return {number, boost::system::system_category()}; }

} // namespace

// syscalls of the watcher: readlinkat
result<std::string_view> read_link(const char* path, std::span<char> into) noexcept
{
    const ssize_t n = ::readlinkat(AT_FDCWD, path, into.data(), into.size());
    if (n < 0)
        return last_error();
    if (static_cast<std::size_t>(n) == into.size())
        return error(ENAMETOOLONG); // it may have been cut
    return std::string_view{into.data(), static_cast<std::size_t>(n)};
}

// syscalls of the watcher: openat fstat newfstatat read close
result<std::string_view> read_file(const char* path, std::span<char> into) noexcept
{
    const unique_fd fd{::openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
    if (!fd)
        return last_error();
    struct stat about = {};
    if (::fstat(fd.get(), &about) != 0)
        return last_error();
    if (!S_ISREG(about.st_mode))
        return error(S_ISDIR(about.st_mode) ? EISDIR : ENODEV);
    std::size_t size = 0;
    while (size < into.size()) {
        const ssize_t n = ::read(fd.get(), into.data() + size, into.size() - size);
        if (n < 0 && errno != EINTR)
            return last_error();
        if (n == 0)
            break;
        size += n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    return std::string_view{into.data(), size};
}

} // namespace tapioca::os
