// tapioca metrics: what is counted, for a collector; printed once, or served.
#include "daemon/client/tapioca_asking.hpp"
#include "daemon/client/tapioca_metrics_server.hpp"
#include "daemon/client/tapioca_subcommand.hpp"

#include <cstdlib>

namespace tapioca::client {
namespace {

constexpr std::chrono::seconds collectors_patience{2}; // who waits 10 s for all instances

answers ask_counters(const tapioca_command& command, std::chrono::seconds patience)
{
    return ask_instances(
        command,
        [](control_connection& server) {
            return std::vector{server.call("GetInfo"), server.call("GetCounters")};
        },
        patience);
}

} // namespace

int run_metrics(const tapioca_command& command)
{
    if (command.listen) {
        serve_metrics(*command.listen, [&](metrics_format format) {
            try {
                return show_metrics(ask_counters(command, collectors_patience).all, format);
            } catch (const control_failure& failure) { // the one that was named is not there now
                complain(failure.what());
                return show_metrics({}, format);
            }
        });
        return EXIT_SUCCESS;
    }
    const auto given = ask_counters(command, usual_patience);
    print(command.json ? json_lines(given.all)
                       : show_metrics(given.all, command.openmetrics ? metrics_format::openmetrics : metrics_format::prometheus));
    return given.whole ? EXIT_SUCCESS : EXIT_FAILURE;
}

} // namespace tapioca::client
