// What pasta serves: the network namespace of a command that it starts, of a process, or behind a path; and whose user namespace
// it is in.
#pragma once

#include "daemon/config/options.hpp"
#include "daemon/netns/child.hpp"
#include "daemon/netns/watch.hpp"
#include "daemon/os/unique_fd.hpp"
#include "seccomp/sandbox.hpp"

#include <optional>
#include <string>

namespace tapioca::netns {

/// The namespaces that exist already, opened while the process still has the rights it was started with.
struct named_namespaces {
    os::unique_fd user, network;
    std::string network_path; ///< empty for a command
};

[[nodiscard]] named_namespaces open_named(const options& opts);

struct target {
    os::unique_fd network;
    std::optional<netns::command> command;
    std::optional<netns::watch> watch; ///< unless the namespace is the command's, or the user wants to outlive it
};

/// Enters or creates the user namespace, and in pasta mode finds or creates the network namespace in it.
[[nodiscard]] target attach(const options& opts, named_namespaces named, sandbox& box);

} // namespace tapioca::netns
