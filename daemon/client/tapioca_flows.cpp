// tapioca flows: what is being translated.
#include "daemon/client/tapioca_asking.hpp"
#include "daemon/client/tapioca_subcommand.hpp"

namespace tapioca::client {

int run_flows(const tapioca_command& command)
{
    const auto ask = [](control_connection& server) {
        std::vector<boost::json::object> replies;
        server.call("ListFlows", [&](const boost::json::object& reply) { replies.push_back(reply); });
        return replies;
    };
    return show(command, ask, show_flows);
}

} // namespace tapioca::client
