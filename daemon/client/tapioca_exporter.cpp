// tapioca metrics: what is counted, for a collector.
#include "daemon/client/tapioca_asking.hpp"
#include "daemon/client/tapioca_subcommand.hpp"

namespace tapioca::client {

int run_metrics(const tapioca_command& command)
{
    const auto ask = [](control_connection& server) { return std::vector{server.call("GetInfo"), server.call("GetCounters")}; };
    return show(command, ask, [](const std::vector<said>& all, std::size_t) { return show_metrics(all); });
}

} // namespace tapioca::client
