// tapioca rules: which ports are forwarded.
#include "daemon/client/tapioca_asking.hpp"
#include "daemon/client/tapioca_subcommand.hpp"

namespace tapioca::client {

int run_rules(const tapioca_command& command)
{
    const auto ask = [](control_connection& server) { return std::vector{server.call("ListRules")}; };
    return show(command, ask, show_rules);
}

} // namespace tapioca::client
