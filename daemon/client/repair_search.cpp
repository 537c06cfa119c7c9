#include "daemon/client/repair_search.hpp"

#include "daemon/os/unix_address.hpp"

#include <dirent.h>
#include <memory>
#include <poll.h>

namespace tapioca::client {
namespace {

constexpr std::string_view ending = ".repair";
constexpr int retry_ms = 50;
constexpr int most_tries = 100; ///< five seconds

struct directory_closer {
    void operator()(DIR* d) const noexcept { ::closedir(d); }
};

} // namespace

os::result<os::unique_fd> connect_to_repair_socket(const char* path) noexcept
{
    os::unique_fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!fd)
        return os::last_error();
    const auto address = os::unix_address::at_path(path);
    if (::connect(fd.get(), address.get(), address.length()) != 0)
        return os::last_error();
    return fd;
}

os::result<repair_search> repair_search::begin(const char* directory) noexcept
{
    auto changes = os::inotify::open();
    if (!changes)
        return changes.error();
    if (const auto watched = changes->watch_directory(directory); !watched)
        return watched.error();
    repair_search search{std::move(*changes), directory};
    const std::unique_ptr<DIR, directory_closer> names{::opendir(directory)};
    if (!names)
        return os::last_error();
    while (const dirent* entry = ::readdir(names.get()))
        search.add(entry->d_name);
    return search;
}

/// A socket that is made anew has all its tries before it.
void repair_search::add(std::string_view name) noexcept
{
    if (!name.ends_with(ending))
        return;
    candidate added;
    if (!added.path.append(directory_) || !added.path.append("/") || !added.path.append(name))
        return;
    for (auto& c : candidates_)
        if (c.path == added.path) {
            c.tries = 0;
            return;
        }
    candidates_.push_back(added);
}

/// EAGAIN: none yet.
os::result<os::unique_fd> repair_search::try_all() noexcept
{
    for (std::size_t i = 0; i < candidates_.size();) {
        auto& c = candidates_[i];
        std::array<char, longest_repair_path + 1> path{};
        c.path.view().copy(path.data(), longest_repair_path);
        auto fd = connect_to_repair_socket(path.data());
        if (fd || fd.error().value() == EACCES || fd.error().value() == EPERM)
            return fd;
        if (fd.error().value() == ECONNREFUSED && ++c.tries < most_tries)
            ++i;
        else
            candidates_.erase(i);
    }
    return boost::system::error_code{EAGAIN, boost::system::system_category()};
}

os::result<os::unique_fd> repair_search::finish() noexcept
{
    for (;;) {
        auto fd = try_all();
        if (fd || fd.error().value() != EAGAIN)
            return fd;
        if (gone_)
            return boost::system::error_code{ENOENT, boost::system::system_category()};
        pollfd change{changes_.descriptor(), POLLIN, 0};
        if (::poll(&change, 1, candidates_.empty() ? -1 : retry_ms) < 0 && errno != EINTR)
            return os::last_error();
        changes_.each_change([this](const os::inotify::change& c) {
            gone_ = gone_ || (c.watch >= 0 && c.name.empty());
            add(c.name);
        });
    }
}

} // namespace tapioca::client
