// tapioca drops: what was not translated, and why.
#include "daemon/client/tapioca_asking.hpp"
#include "daemon/client/tapioca_subcommand.hpp"

namespace tapioca::client {

int run_drops(const tapioca_command& command)
{
    const auto ask = [](control_connection& server) { return std::vector{server.call("GetCounters")}; };
    return show(command, ask, show_drops);
}

} // namespace tapioca::client
