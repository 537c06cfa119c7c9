// The stages, in order: privileges shrink from line to line, and everything that can fail does so in sight of the user.
// seccomp/sandbox.hpp says why the order is as it is.
#include "daemon/config/command_line.hpp"
#include "daemon/config/early_exit.hpp"
#include "daemon/migrate/migration.hpp"
#include "daemon/os/process.hpp"
#include "daemon/os/start_failure.hpp"
#include "daemon/os/user_map.hpp"
#include "daemon/report/log.hpp"
#include "daemon/start_up/stages.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <span>

#ifdef TAPIOCA_SANITIZED
/// The leak check wants /proc and ptrace, which the sandbox takes away.
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }
/// Sealed, the process cannot read its own symbols: reports have offsets, for addr2line(1).
extern "C" const char* __tsan_default_options() { return "symbolize=0"; }
#endif

namespace tapioca {
namespace {

netns::watch* watch_of(netns::target& target) { return target.watch ? &*target.watch : nullptr; }

std::optional<pid_t> command_of(const netns::target& target)
{
    return target.command ? std::optional{target.command->pid()} : std::nullopt;
}

/// From here on nothing new can be opened.
void begin_work(sandbox& box, worker_pool& workers, const migrate::predecessor* before, const seccomp::profile& left)
{
    box.drop();
    log::warning(box.take_warnings());
    start_workers(workers, before);
    os::unblock_signals();
    os::forget_start_up_code();
    box.seal(left);
}

[[noreturn]] void run(std::span<const char* const> argv)
{
    os::ignore_broken_pipes();
    os::use_one_heap();
    const port_facts facts = discover_port_facts();
    const options opts = parse_command_line(argv, facts);
    egress_at_start egress = read_egress(opts);
    const os::unique_fd exit = inherited_exit(opts);
    os::unique_fd client = inherited_client(opts);
    netns::named_namespaces named = netns::open_named(opts); // whose path may be that of an inherited descriptor
    sandbox box = sandbox::enter({exit.get(), client.get(), named.user.get(), named.network.get()});
    os::end_on_termination();
    os::raise_descriptor_limit();
    named_files files = create_files(opts);
    start_log(opts, files);
    os::service_manager manager = connect_service_manager(opts);
    make_room_for_descriptors(opts);
    opened_listeners on_host = listen_on_host(opts);
    os::wait_until_alone();
    assume_identity(opts, box);
    const auto before = find_predecessor(opts, on_host);
    const uid_t owner = os::own_uid_on_host();
    netns::target target = netns::attach(opts, std::move(named), box);
    log::warning(box.take_warnings());
    plane_parts parts = set_up(opts, target, {std::move(on_host), std::move(client), before.get()}, owner);
    report_rules_and_kernel(opts, parts);
    complete(parts, std::move(files.pcap), egress);
    const int tap = parts.tap() != nullptr ? parts.tap()->fd.get() : -1;
    std::optional<resolver_watcher> resolvers = watch_resolvers(opts);
    os::readiness ready = leave_the_caller(opts, box, files);
    std::unique_ptr<netns::resident> resident = make_resident(opts, parts, target);
    std::unique_ptr<port_follower> follower = follow_ports(opts, parts, resident.get());
    rule_service rules = serve_rules(opts, parts);
    std::optional<name_forwarder::beginning> names = open_names(opts, parts);
    const seccomp::profile left = what_is_left(opts, target, parts.config, resident && resident->has_sockets());
    worker_pool workers{std::move(parts.config), std::move(parts.resources), resident.get()};
    plane_watch watch{workers};
    const std::unique_ptr<audit_log> audit = keep_audit(opts, files, workers);
    const auto moves = make_migration(opts, parts, workers);
    control ctl{hooks_of(opts, workers, {watch, audit.get(), moves.get()}, follower.get()), watch_of(target), command_of(target)};
    begin_migration(moves.get(), ctl);
    begin_service(opts, rules, {facts, workers, resident.get(), follower.get()}, ctl);
    const auto following =
        begin_following(opts, parts, std::move(resolvers), *rules.rules, {tap, workers, watch.events(), resident.get()}, ctl);
    const served_egress served = serve_egress(opts, std::move(egress), std::move(names), workers, audit.get(), ctl);
    const shown_parts shown{*rules.rules, *served.policies, watch, served.names.get(), audit.get(), parts.link};
    const auto seen = begin_control(opts, std::move(parts.control), ready, workers, shown, ctl);
    if (resident)
        resident->start();
    begin_work(box, workers, before.get(), left);
    // Threads cannot end any more, nor memory be given back.
    os::end_process(serve(opts, target, tap, {ready, manager, before.get()}, workers, audit.get(), ctl));
}

} // namespace
} // namespace tapioca

int main(int argc, char** argv)
{
    try {
        tapioca::run({argv, static_cast<std::size_t>(argc)});
    } catch (const tapioca::early_exit& early) {
        std::fputs(early.text.c_str(), early.to_stdout ? stdout : stderr);
        return early.status;
    } catch (const std::exception& failure) {
        tapioca::log::error(tapioca::os::text_of(failure));
    }
    return EXIT_FAILURE;
}
