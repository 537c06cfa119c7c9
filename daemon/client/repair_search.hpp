// Where passt-repair connects: to the socket at a path, or in a directory to a socket whose name ends in ".repair", now or once
// there is one. A name may be there before its socket listens, and may stay behind when its passt has gone: so one that refuses
// is tried again for a while, in intervals, and then when it is made anew.
#pragma once

#include "daemon/os/inotify.hpp"
#include "daemon/os/unique_fd.hpp"
#include "proto/base/fixed_vector.hpp"

#include <sys/un.h>

namespace tapioca::client {

/// The longest path of a socket.
inline constexpr std::size_t longest_repair_path = sizeof(sockaddr_un::sun_path) - 1;

/// A connection to the socket at `path`; an error otherwise.
[[nodiscard]] os::result<os::unique_fd> connect_to_repair_socket(const char* path) noexcept;

class repair_search {
public:
    /// Watches the directory, then looks which names are there. Only before the process is sealed.
    [[nodiscard]] static os::result<repair_search> begin(const char* directory) noexcept;

    /// Waits until one of them can be connected to. An error: there will be none, as the directory has gone, or no right to.
    [[nodiscard]] os::result<os::unique_fd> finish() noexcept;

private:
    struct candidate {
        fixed_string<longest_repair_path> path;
        int tries = 0;
    };

    repair_search(os::inotify changes, const char* directory) noexcept : changes_(std::move(changes)), directory_(directory) {}
    void add(std::string_view name) noexcept;
    [[nodiscard]] os::result<os::unique_fd> try_all() noexcept;

    os::inotify changes_;
    const char* directory_;
    fixed_vector<candidate, 64> candidates_; ///< that may listen soon
    bool gone_ = false;
};

} // namespace tapioca::client
