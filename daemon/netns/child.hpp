// The command that pasta connects: a process in network, PID, mount, UTS and IPC namespaces of its own, which waits until the
// network is there. It is the only process that keeps capabilities, those of its namespaces.
#pragma once

#include "daemon/config/options.hpp"
#include "daemon/os/unique_fd.hpp"

#include <string>
#include <sys/types.h>

namespace tapioca::netns {

class command {
public:
    /// Clones the process. Throws std::system_error where the namespaces are refused.
    [[nodiscard]] static command spawn(const options& opts);

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    [[nodiscard]] std::string net_ns_path() const { return "/proc/" + std::to_string(pid_) + "/ns/net"; }

    /// Lets it execute what the user asked for. A command that was never released dies with its owner.
    void release();

private:
    command() = default;
    pid_t pid_ = -1;
    os::unique_fd go_;
};

} // namespace tapioca::netns
