#include "daemon/start_up/stages.hpp"

#include "daemon/control/plane_report.hpp"
#include "daemon/migrate/migration.hpp"
#include "daemon/os/process.hpp"
#include "daemon/report/log.hpp"
#include "daemon/tap/open_tap.hpp"
#include "daemon/translate/limits.hpp"

#include <cstdio>

namespace tapioca {

namespace {

bool tells_guest(const options& opts) { return opts.follow == follow_mode::guest && !opts.splice_only; }
/// A guest on a stream has no interface of ours.
bool has_tap(const options& opts) { return opts.mode == mode::pasta && !opts.client; }
bool follows_in_namespace(const options& opts) { return tells_guest(opts) && has_tap(opts) && opts.config_net; }

} // namespace

bool sets_carrier(const options& opts) { return tells_guest(opts) && has_tap(opts) && !opts.config_net; }

std::unique_ptr<netns::resident> make_resident(const options& opts, const plane_parts& parts, netns::target& target)
{
    using listening = netns::resident::listening;
    std::unique_ptr<netns::resident> resident;
    const bool may_be = opts.rules_may_change() && opts.mode == mode::pasta;
    const bool makes_sockets = (opts.splice && !opts.host_rules.empty()) || !opts.guest_rules.empty() || may_be;
    const bool administers = follows_in_namespace(opts) && parts.watch;
    if (makes_sockets || administers)
        resident =
            std::make_unique<netns::resident>(std::move(target.network), makes_sockets ? parts.resources.tap_queues.size() : 0,
                                              netns::resident::duties{scans(opts.guest_rules) ? listening::at_any_port
                                                                      : may_be                ? listening::at_ordinary_ports
                                                                                              : listening::nowhere,
                                                                      administers});
    target.network.reset(); // or it would live as long as we do
    return resident;
}

namespace {

std::vector<listener_name> names_of(const std::vector<listening_socket>& listeners)
{
    std::vector<listener_name> names;
    for (const auto& l : listeners)
        names.push_back(l.name);
    return names;
}

/// Opens sockets of rules while the program runs.
listener_opener opener(const options& opts, netns::resident* resident)
{
    return [&opts, resident](const forward_rule& rule, const listener_name& name) {
        return name.side == rule_side::guest ? resident->listen(rule.protocol, listen_place(rule, name.port, false))
                                             : open_listener(rule, name.port, opts.freebind);
    };
}

} // namespace

std::unique_ptr<port_follower> follow_ports(const options& opts, plane_parts& parts, netns::resident* resident)
{
    if (!parts.guest_ports)
        return nullptr;
    const limits::descriptor_shares shares{os::descriptor_limit(), parts.resources.listeners.size(),
                                           parts.resources.tap_queues.size()};
    return std::make_unique<port_follower>(opts.host_rules, opts.guest_rules, names_of(parts.resources.listeners),
                                           port_follower::means{std::move(*parts.host_ports), std::move(*parts.guest_ports),
                                                                opener(opts, resident), shares.scanned_listeners()});
}

rule_service serve_rules(const options& opts, plane_parts& parts)
{
    return {.listener = std::move(parts.conf_listener),
            .beginning = {.rules = {opts.host_rules, opts.guest_rules},
                          .listening = names_of(parts.resources.listeners),
                          .refused = std::move(parts.refused)},
            .rules = nullptr,
            .pesto = nullptr};
}

void begin_service(const options& opts, rule_service& service, const rule_makers& makers, control& ctl)
{
    const auto& config = makers.workers.config();
    const port_spec_context context{.protocol = {},
                                    .side = {},
                                    .enabled = {config.tcp, config.udp, config.net.ipv4, config.net.ipv6},
                                    .ephemeral = makers.facts.ephemeral,
                                    .auto_allowed = makers.follower != nullptr,
                                    .device_binding = makers.facts.device_binding};
    const auto limit = os::descriptor_limit();
    service.rules = std::make_unique<rules_in_force>(
        service.beginning, rules_in_force::means{.workers = makers.workers,
                                                 .limits = {context, makers.resident != nullptr},
                                                 .host_loopback_to_namespace = opts.splice && opts.host_loopback_to_namespace,
                                                 .open = opener(opts, makers.resident),
                                                 .most_sockets = limit - limit / 4,
                                                 .follower = makers.follower});
    service.beginning = {};
    ctl.serve(*service.rules);
    if (!service.listener)
        return;
    service.pesto =
        std::make_unique<pesto_server>(pesto_server::parts{.listener = std::move(service.listener), .rules = *service.rules});
    ctl.serve(*service.pesto);
}

std::unique_ptr<control_service> begin_following(const options& opts, plane_parts& parts,
                                                 std::optional<resolver_watcher> resolvers, const rules_in_force& rules,
                                                 const told_of_changes& who, control& ctl)
{
    if (!parts.watch)
        return nullptr;
    auto names = [&rules] {
        const auto& now = rules.listening();
        return std::vector<listener_name>(now.begin(), now.end());
    };
    host_follower::means means{.workers = who.workers,
                               .told = who.events,
                               .open = opener(opts, nullptr),
                               .listening = std::move(names),
                               .resolvers = std::move(resolvers),
                               .in_namespace = std::nullopt,
                               .set_carrier = {}};
    if (follows_in_namespace(opts))
        means.in_namespace.emplace(opts, *who.resident, std::move(parts.interface));
    if (sets_carrier(opts))
        means.set_carrier = [tap = who.tap](bool there) { set_carrier(tap, there); };
    auto follower = std::make_unique<host_follower>(opts, std::move(*parts.watch), std::move(parts.start), std::move(means));
    ctl.serve(*follower);
    return follower;
}

std::unique_ptr<audit_log> keep_audit(const options& opts, named_files& files, worker_pool& workers)
{
    if (opts.audit() == audit_mode::none)
        return nullptr;
    return std::make_unique<audit_log>(std::move(files.audit), opts.audit(), workers);
}

std::unique_ptr<migration> make_migration(const options& opts, plane_parts& parts, worker_pool& workers)
{
    if (!opts.vhost_user)
        return nullptr;
    return std::make_unique<migration>(workers, std::move(parts.repair_listener),
                                       migration::options{.exits = opts.migrate_exit, .lingers = !opts.migrate_no_linger});
}

void begin_migration(migration* migrates, control& ctl)
{
    if (migrates != nullptr)
        ctl.serve(*migrates);
}

control_hooks hooks_of(const options& opts, worker_pool& workers, const told_by_workers& told, port_follower* follower)
{
    control_hooks hooks;
    hooks.print_counters = [&workers] { report::log_counters(workers); };
    hooks.drain_log = [told] {
        told.watch.drain();
        if (told.audit != nullptr)
            told.audit->drain();
    };
    hooks.router_advertisement = [&workers] { workers.advertise_router(); };
    hooks.events = workers.events();
    hooks.exit_fd = opts.exit_fd.value_or(-1);
    if (opts.one_off || opts.migrate_exit) // once a guest has migrated, its front-end's end is no reason any more
        hooks.finished = [&workers, migrates = told.migrates, one_off = opts.one_off] {
            const bool left = migrates != nullptr && migrates->has_ever_left();
            return left ? migrates->wants_end() : one_off && workers.guest_gone();
        };
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
