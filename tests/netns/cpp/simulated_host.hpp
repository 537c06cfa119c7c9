// A host in a namespace of its own, built with ip(8), and a guest namespace beside it that is configured from it; both vanish
// with the child process that made them.
#pragma once

#include "daemon/config/options.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace tapioca::test {

using lines = std::vector<std::string>;

/// What was found out, a list of lines by topic.
struct findings {
    std::map<std::string, lines> topics;

    void add(const std::string& topic, const std::string& line) { topics[topic].push_back(line); }
    const lines& operator[](const std::string& topic) const
    {
        static const lines none;
        const auto found = topics.find(topic);
        return found != topics.end() ? found->second : none;
    }
};

/// Runs `work` in a child process inside new user and network namespaces and returns its findings; an exception is the topic
/// "error".
[[nodiscard]] findings in_namespaces(const std::function<void(findings&)>& work);

/// Runs a command by the shell; throws if it fails. The lines of its output are trimmed.
lines shell(const std::string& command);

/// Leaves the current network namespace for a new one.
void enter_new_network();

/// Opens a tap of this name, or makes a veth where /dev/net/tun is out of reach.
void make_interface(const std::string& name);

/// Builds a host by the commands, then a guest from it as --config-net does; `guest_commands` run in the guest's namespace
/// before. Topics: `link`, `addr4`, `addr6`, `route4`, `route6` of the guest as ip(8) shows them (without the link-local
/// address), `linklocal`, `host4` and `host6` (address, gateway, "local" in local mode), `notes`, `warnings`.
[[nodiscard]] findings configured_guest(const lines& host_commands, options opts = {}, const lines& guest_commands = {});

} // namespace tapioca::test
