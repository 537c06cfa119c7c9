#include "daemon/client/tapioca_subcommand.hpp"

namespace tapioca::client {
namespace {

constexpr subcommand table[] = {
    {"ps", "", "", "The instances that there are", run_ps},
    {"flows", "", "", "Connections, UDP flows and echo identifiers", run_flows},
    {"drops", "", "", "Packets that were dropped, by reason", run_drops},
    {"rules", "", "", "Ports that are forwarded", run_rules},
    {"end", "ID", "",
     "End the flow that `flows` lists as ID; both its ends are told. Needs an instance that was started with --control PATH",
     run_end},
    {"metrics", "", "", "All counters, as OpenMetrics text", run_metrics},
};

} // namespace

std::span<const subcommand> subcommands() noexcept { return table; }

} // namespace tapioca::client
