#include "daemon/client/tapioca_subcommand.hpp"

namespace tapioca::client {
namespace {

constexpr subcommand table[] = {
    {"ps", "", "json control ", "The instances that there are", run_ps},
    {"flows", "", "json control info ",
     "Connections, UDP flows and echo identifiers; those that fit a FILTER as that of ss(8), if one is given: comparisons of "
     "sport, "
     "dport, src, dst, state, proto, kind, way, from and rule, with and, or, not and parentheses",
     run_flows},
    {"watch", "", "json control ",
     "What goes on, as a page that is kept up to date until q is pressed; a line for each event where standard output is no "
     "terminal",
     run_watch},
    {"drops", "", "json control ", "Packets that were dropped, by reason", run_drops},
    {"dns", "", "json control ",
     "Names that the guest has asked for, and the addresses that a rule of its egress policy lets it reach by them", run_dns},
    {"rules", "", "json control tcp-ports udp-ports tcp-ns udp-ns owner ",
     "Ports that are forwarded, for whom, and what came through them. `rules add` forwards more, all that are named or none; "
     "`rules delete` those no longer, or the one that is listed as ID; `rules replace` these and no others. Changes need an "
     "instance that was started with --control PATH",
     run_rules},
    {"end", "ID", "control ",
     "End the flow that `flows` lists as ID; both its ends are told. Needs an instance that was started with --control PATH",
     run_end},
    {"upgrade", "", "json control program ",
     "Start each instance that is meant anew, all with `upgrade all`: the new process takes the place of the old one, and no "
     "connection ends. Needs an instance that was started with --control PATH",
     run_upgrade},
    {"capture", "", "",
     "What passes between a guest and its instance. Its options are its own: `tapioca capture --help` shows them", run_capture},
    {"policy", "", "json control ",
     "`policy check` reads policies of where a guest may connect as several --egress do, says what they mean together and what "
     "is wrong with them; `policy show` is what is in force; `policy set` exchanges it, and `policy lock` lets only what is "
     "narrower follow, which both need an instance that was started with --control PATH; `policy learn` proposes one from an "
     "audit log; `policy reopen` has an instance go on with its audit log in another file",
     run_policy},
    {"metrics", "", "json control listen openmetrics ", "All counters, for Prometheus and others, on standard output or served",
     run_metrics},
    {"why", "HOST:PORT", "json control ", "Whether the guest may connect there, by which rule, and where that stands", run_why},
    {"doctor", "", "json ", "What keeps pasta and passt from working on this machine, with a remedy for each", run_doctor},
    {"report", "", "control anonymous ", "What a report of a fault should tell, as one text", run_report},
};

} // namespace

std::span<const subcommand> subcommands() noexcept { return table; }

} // namespace tapioca::client
