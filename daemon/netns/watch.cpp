#include "daemon/netns/watch.hpp"

#include "daemon/os/start_failure.hpp"

#include <cerrno>
#include <charconv>
#include <climits>
#include <cstring>
#include <fcntl.h>
#include <linux/magic.h>
#include <string_view>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace tapioca::netns {
namespace {

/// Filesystems whose entries come and go without a word to inotify.
bool silent(int directory)
{
    struct statfs about = {};
    return ::fstatfs(directory, &about) == 0 &&
           (about.f_type == PROC_SUPER_MAGIC || about.f_type == SYSFS_MAGIC || about.f_type == DEVPTS_SUPER_MAGIC);
}

/// The process whose namespaces are in this directory; 0 if none's are.
pid_t process_of(std::string_view directory)
{
    constexpr std::string_view front = "/proc/", back = "/ns";
    if (!directory.starts_with(front) || !directory.ends_with(back) || directory.size() <= front.size() + back.size())
        return 0;
    directory = directory.substr(front.size(), directory.size() - front.size() - back.size());
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(directory.begin(), directory.end(), pid);
    return error == std::errc{} && end == directory.end() && pid > 0 ? pid : 0;
}

} // namespace

watch::watch(const std::string& path) : path_(path)
{
    const std::size_t slash = path.rfind('/');
    const std::string directory = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
    name_ = slash == std::string::npos ? path : path.substr(slash + 1);
    directory_ = os::unique_fd{::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (!directory_) {
        const int error = errno;
        throw os::start_failure(
            "netns dir open: " + directory, error,
            error == EACCES ? os::name_of_user_and_remedy() + " may not search it; --no-netns-quit does without" : "");
    }
    if (silent(directory_.get())) {
        if (const pid_t process = process_of(directory); process != 0)
            process_ = os::unique_fd{static_cast<int>(::syscall(SYS_pidfd_open, process, 0U))};
        return;
    }
    inotify_ = os::unique_fd{::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
    if (inotify_ && ::inotify_add_watch(inotify_.get(), directory.c_str(), IN_DELETE | IN_MOVED_FROM) < 0)
        inotify_.reset(); // the directory may be searched but not read
}

// syscalls: read
bool watch::gone_by_events() noexcept
{
    if (process_)
        return true;
    alignas(inotify_event) char events[sizeof(inotify_event) + NAME_MAX + 1];
    for (ssize_t n; (n = ::read(inotify_.get(), events, sizeof events)) > 0;)
        for (const char* at = events; at < events + n;) {
            const auto* event = reinterpret_cast<const inotify_event*>(at);
            if (event->len > 0 && name_ == event->name)
                return true;
            at += sizeof *event + event->len;
        }
    return gone(); // the queue may have overflowed
}

// syscalls: openat close
bool watch::gone() const noexcept
{
    const os::unique_fd there{::openat(directory_.get(), name_.c_str(), O_PATH | O_CLOEXEC)};
    if (there)
        return false;
    switch (errno) {
    case EACCES: // not ours to look at, but there
    case EMFILE:
    case ENFILE:
    case ENOMEM: // our own shortage says nothing about the name
        return false;
    default:
        return true;
    }
}

} // namespace tapioca::netns
