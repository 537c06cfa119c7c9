#include "daemon/start_up/stages.hpp"

#include "daemon/control/plane_report.hpp"
#include "daemon/os/process.hpp"
#include "daemon/report/log.hpp"
#include "daemon/translate/limits.hpp"

#include <cstdio>

namespace tapioca {

std::unique_ptr<netns::resident> make_resident(const options& opts, std::size_t workers, netns::target& target)
{
    using ports = netns::resident::privileged_ports;
    std::unique_ptr<netns::resident> resident;
    if ((opts.splice && !opts.host_rules.empty()) || !opts.guest_rules.empty())
        resident = std::make_unique<netns::resident>(std::move(target.network), workers,
                                                     scans(opts.guest_rules) ? ports::at_any_time : ports::never);
    target.network.reset(); // or it would live as long as we do
    return resident;
}

std::unique_ptr<auto_forward> follow_ports(const options& opts, plane_parts& parts, netns::resident* resident)
{
    if (!parts.guest_ports)
        return nullptr;
    const limits::descriptor_shares shares{os::descriptor_limit(), parts.resources.listeners.size(),
                                           parts.resources.tap_queues.size()};
    std::vector<listener_name> fixed;
    for (const auto& l : parts.resources.listeners)
        fixed.push_back(l.name);
    const auto open = [&opts, resident](const listener_name& name) {
        if (name.side == rule_side::host)
            return open_listener({rule_side::host, opts.host_rules, opts.freebind}, name);
        return resident->listen(name.protocol, listen_place({rule_side::guest, opts.guest_rules}, name));
    };
    return std::make_unique<auto_forward>(opts.host_rules, opts.guest_rules, std::move(*parts.host_ports),
                                          std::move(*parts.guest_ports), fixed, open, shares.scanned_listeners());
}

control_hooks hooks_of(const options& opts, worker_pool& workers, auto_forward* follower)
{
    control_hooks hooks;
    hooks.print_counters = [&workers] { report::log_counters(workers); };
    hooks.drain_log = [&workers] { report::log_events(workers); };
    hooks.router_advertisement = [&workers] { workers.advertise_router(); };
    hooks.events = workers.events();
    if (opts.one_off)
        hooks.finished = [&workers] { return workers.guest_gone(); };
    if (opts.statistics_delay.count() != 0) {
        hooks.show_statistics = [&workers, table = report::event_table{}]() mutable {
            std::fputs(table.next(report::events_of(workers)).c_str(), stderr);
        };
        hooks.statistics_delay = opts.statistics_delay;
    }
    if (follower != nullptr)
        hooks.scan_ports = [&workers, follower] { log::info(follower->scan(workers)); };
    return hooks;
}

} // namespace tapioca
