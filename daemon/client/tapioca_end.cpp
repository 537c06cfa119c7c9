// tapioca end: ends a flow, by the socket that was named, or that the only instance has.
#include "daemon/client/tapioca_asking.hpp"
#include "daemon/client/tapioca_subcommand.hpp"

#include <cstdlib>

namespace tapioca::client {

int run_end(const tapioca_command& command)
{
    auto path = command.path;
    if (!path) {
        const auto found = wanted_instances(command);
        if (found.size() != 1)
            throw control_failure(found.empty() ? "there is no instance" : "there are several instances: name one by its PID");
        control_connection seen{found.front()};
        const auto info = seen.call("GetInfo");
        const auto* known = info.if_contains("control_path");
        if (known == nullptr || !known->is_string()) { // it says why not
            (void)seen.call("EndFlow", {{"id", command.operand}});
            return EXIT_SUCCESS;
        }
        path = boost::json::value_to<std::string>(*known);
    }
    control_connection server{*path};
    (void)server.call("EndFlow", {{"id", command.operand}});
    return EXIT_SUCCESS;
}

} // namespace tapioca::client
