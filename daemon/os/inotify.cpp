#include "daemon/os/inotify.hpp"

#include <cstring>
#include <sys/inotify.h>

namespace tapioca::os {
namespace {

result<int> add(int fd, const char* path, std::uint32_t events) noexcept
{
    const int watch = ::inotify_add_watch(fd, path, events);
    if (watch < 0)
        return last_error();
    return watch;
}

} // namespace

// syscalls of the guardian: inotify_init1
result<inotify> inotify::open() noexcept
{
    unique_fd fd{::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
    if (!fd)
        return last_error();
    return inotify{std::move(fd)};
}

// syscalls of the watcher: inotify_add_watch
result<int> inotify::watch_directory(const char* path) const noexcept
{
    return add(fd_.get(), path, IN_ONLYDIR | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF);
}

// syscalls of the watcher: inotify_add_watch
result<int> inotify::watch_file(const char* path) const noexcept
{
    return add(fd_.get(), path, IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF);
}

// syscalls of the watcher: inotify_rm_watch
void inotify::forget(int watch) const noexcept { ::inotify_rm_watch(fd_.get(), watch); }

// syscalls of the watcher: read
bool inotify::batch::fill() noexcept
{
    const ssize_t n = ::read(fd_, events_, sizeof events_);
    at_ = 0;
    size_ = n > 0 ? static_cast<std::size_t>(n) : 0;
    return n > 0;
}

inotify::change inotify::batch::next() noexcept
{
    inotify_event head;
    std::memcpy(&head, events_ + at_, sizeof head);
    const char* name = events_ + at_ + sizeof head;
    at_ += sizeof head + head.len;
    return {head.wd, {name, ::strnlen(name, head.len)}};
}

} // namespace tapioca::os
