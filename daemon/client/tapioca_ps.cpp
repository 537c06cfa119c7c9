// tapioca ps: which instances there are.
#include "daemon/client/tapioca_asking.hpp"
#include "daemon/client/tapioca_subcommand.hpp"

namespace tapioca::client {

int run_ps(const tapioca_command& command)
{
    const auto ask = [](control_connection& server) { return std::vector{server.call("GetInfo")}; };
    return show(command, ask, show_instances);
}

} // namespace tapioca::client
