// Is the name of the namespace still there? pasta ends with the namespace that it serves. The directory of the name is watched by
// inotify; where the name is a process's, the process is (pidfd_open(2)); where neither tells anything (other names in procfs,
// sysfs, devpts) or is refused, the directory is looked at each second. Everything is opened before the sandbox.
#pragma once

#include "daemon/os/unique_fd.hpp"

#include <string>

namespace tapioca::netns {

class watch {
public:
    /// Throws std::system_error if the directory of `path` cannot be opened.
    explicit watch(const std::string& path);

    /// Readable when something was deleted or renamed in the directory, or the process has ended; -1 where only looking helps.
    [[nodiscard]] int events() const noexcept { return inotify_ ? inotify_.get() : process_.get(); }

    /// Reads what events() has; true if it was about our name.
    [[nodiscard]] bool gone_by_events() noexcept;

    /// Looks for the name.
    [[nodiscard]] bool gone() const noexcept;

    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    std::string path_, name_;
    os::unique_fd directory_, inotify_, process_;
};

} // namespace tapioca::netns
