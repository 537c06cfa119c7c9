#include "daemon/config/usage.hpp"

#include "daemon/config/help_lines.hpp"
#include "daemon/config/option_table.hpp"

#include <array>

namespace tapioca {
namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(option_group::count_)> group_titles = {
    "Life cycle and reports",
    "The guest's network",
    "Resolvers and names",
    "Protocols and servers",
    "Addresses of the host",
    "Ports",
    "Limits",
    "Where the guest may connect",
    "passt only",
    "pasta only",
    "Information",
};
static_assert(!group_titles.back().empty());

constexpr std::string_view pasta_examples = R"(
Examples:
  pasta --config-net -- curl https://example.org
      a command with the host's addresses and routes in a namespace of its own
  pasta --config-net -t 8080:80 -- httpd
      the same, and the host's port 8080 leads to port 80 in there
  pasta --config-net -t none -u none -T none -U none 4711
      the namespace of process 4711 gets the network, and no port is forwarded
)";

constexpr std::string_view passt_examples = R"(
Examples:
  passt --socket /tmp/vm.socket --tcp-ports 2222:22
      a guest connects to that socket; the host's port 2222 leads to its port 22
  qemu-system-x86_64 ... -device virtio-net-pci,netdev=n
      -netdev stream,id=n,server=off,addr.type=unix,addr.path=/tmp/vm.socket
      connects QEMU 7.2 or newer to it
)";

} // namespace

std::string synopsis(std::string_view program, bool pasta)
{
    const std::string name{program};
    if (!pasta)
        return "Usage: " + name + " [OPTION]...\n";
    return "Usage: " + name + " [OPTION]... [COMMAND [ARGUMENT]...]\n       " + name + " [OPTION]... PID\n       " + name +
           " [OPTION]... --netns PATH|NAME\n";
}

std::string help_text(std::string_view program, bool pasta)
{
    std::string out = synopsis(program, pasta);
    out += pasta ? "Connects a network namespace: that of a new COMMAND (default: a shell),\nof process PID, or at PATH.\n"
                 : "Connects a virtual machine.\n";
    for (std::size_t group = 0; group < group_titles.size(); ++group) {
        out.append("\n").append(group_titles[group]).append(":\n");
        for (const option_entry& entry : option_table()) {
            if (static_cast<std::size_t>(entry.group) != group)
                continue;
            out += help_lines(entry);
        }
    }
    return out.append(pasta ? pasta_examples : passt_examples);
}

std::string version_text(bool pasta)
{
    return std::string{pasta ? "pasta " : "passt "} + TAPIOCA_VERSION +
           "\nPart of tapioca. Copyright the tapioca contributors.\n"
           "License: Apache-2.0 <https://www.apache.org/licenses/LICENSE-2.0>\n"
           "There is no warranty, to the extent permitted by law.\n";
}

std::string capabilities_text() { return "{\n  \"type\": \"net\"\n}\n"; }

} // namespace tapioca
