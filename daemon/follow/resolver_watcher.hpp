// The file of resolvers, followed by a process of its own: the daemon has an empty root directory and opens nothing any more, so
// somebody who still has the host's mounts has to read for it. What that process can do is in resolver_watch_loop.hpp.
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"

#include <optional>
#include <string>

namespace tapioca {

class resolver_watcher {
public:
    struct report {
        enum class kind : std::uint8_t {
            text,       ///< what the file says now; the first one what it said when the watcher came up
            unreadable, ///< it cannot be read, or is not there
            ended       ///< there is no watcher any more, and nothing will follow: to be closed
        };
        kind what;
        std::string text; ///< at most 64 KiB
        int error = 0;    ///< of what is unreadable
    };

    /// Forks. To be called while there is one thread, and the root directory is still the host's. The path is absolute.
    [[nodiscard]] static os::result<resolver_watcher> start(const char* path = "/etc/resolv.conf");

    /// Readable: there is something to take.
    [[nodiscard]] int descriptor() const noexcept { return from_watcher_.get(); }

    /// The next report, if there is a whole one; does not block, and takes no other system call than read(2).
    [[nodiscard]] std::optional<report> take();

    /// The watcher ends, and then its guardian; nothing can be taken any more.
    void stop() noexcept { from_watcher_.reset(); }
    /// Readable when both have ended; -1: that is not known.
    [[nodiscard]] int end() const noexcept { return end_.get(); }

private:
    resolver_watcher(os::unique_fd from_watcher, os::unique_fd end) noexcept
        : from_watcher_(std::move(from_watcher)), end_(std::move(end))
    {
    }

    os::unique_fd from_watcher_, end_;
    std::string text_; ///< of a report that is not whole yet
};

} // namespace tapioca
