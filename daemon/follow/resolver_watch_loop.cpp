#include "daemon/follow/resolver_watch_loop.hpp"

#include "daemon/follow/link_walk.hpp"
#include "daemon/follow/text_sender.hpp"
#include "daemon/follow/watch_set.hpp"
#include "daemon/os/helper_process.hpp"
#include "daemon/os/look.hpp"
#include "daemon/os/process.hpp"
#include "seccomp/helper_cage.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>

namespace tapioca {
namespace {

using seccomp::helper;
using std::chrono::milliseconds;

constexpr milliseconds of_the_daemon{100};  ///< its start comes first: many a command is over before we would be ready
constexpr milliseconds settle{50};          ///< an exchange has several steps
constexpr milliseconds between_looks{5000}; ///< where nobody tells
constexpr milliseconds shortest_pause{250}, longest_pause{16000};

/// False: the daemon has ended.
bool look(const char* path, watch_set& watches, text_sender& sender) noexcept
{
    link_walk way{path};
    watches.begin();
    for (; !way.ended(); way.step())
        watches.watch_name(way.directory(), way.name());
    if (way.error() == 0)
        watches.watch_file(way.file());
    watches.end();
    if (way.error() != 0)
        return sender.send_error(way.error());
    const auto text = os::read_file(way.file(), sender.room());
    return text ? sender.send(*text) : sender.send_error(text.error().value());
}

/// Until there may be something new. False: the daemon has ended.
bool sleep_until_change(int to_daemon, int mounts, watch_set& watches) noexcept
{
    for (;;) {
        const auto longest = watches.complete() && mounts >= 0 ? std::nullopt : std::optional{between_looks};
        const os::wake woken = os::sleep_on(to_daemon, watches.descriptor(), mounts, longest);
        if (woken.reader_gone || os::sleep_on(to_daemon, -1, -1, settle).reader_gone)
            return false;
        if (watches.take_changes() || woken.mounts || !woken.events)
            return true;
    }
}

void watch(os::unique_fd to_daemon, const char* path, const seccomp::helper_cage& cage) noexcept
{
    os::name_role(".resolver");
    watch_set watches;
    const os::unique_fd mounts = os::open_mount_table();
    static text_sender::memory texts; // probes of a stack would touch all of it
    text_sender sender{std::move(to_daemon), texts};
    if (!cage.seal(helper::watcher))
        os::end_process(EXIT_FAILURE);
    while (look(path, watches, sender) && sleep_until_change(sender.descriptor(), mounts.get(), watches))
        ;
}

/// Forks the watcher, and again whenever it was killed, each time after a longer pause.
void guard(os::unique_fd to_daemon, const char* path, const seccomp::helper_cage& cage) noexcept
{
    for (milliseconds pause{0};; pause = std::clamp(2 * pause, shortest_pause, longest_pause)) {
        if (os::sleep_on(to_daemon.get(), -1, -1, pause).reader_gone)
            return;
        const auto child = os::split();
        if (child && *child == 0)
            return watch(std::move(to_daemon), path, cage);
        if (child && os::ended_well(*child))
            return;
    }
}

} // namespace

void guard_watcher(os::unique_fd to_daemon, const char* path) noexcept
{
    try {
        os::unique_fd kept = os::leave_everything_but(std::move(to_daemon));
        os::name_role(".guardian");
        os::hide_command_line();
        seccomp::confine_helper();
        if (os::sleep_on(kept.get(), -1, -1, of_the_daemon).reader_gone)
            os::end_process(EXIT_SUCCESS);
        const seccomp::helper_cage cage;
        path_text own_path;
        const bool fits = own_path.append(path);
        os::forget_heap();
        if (fits && cage.seal(helper::guardian))
            guard(std::move(kept), own_path.c_str(), cage);
    } catch (const std::exception&) { // the daemon sees that there is no watcher
    }
    os::end_process(EXIT_SUCCESS);
}

} // namespace tapioca
