// The stages, in order: privileges shrink from line to line, and everything that can fail does so in sight of the user.
// seccomp/sandbox.hpp says why the order is as it is.
#include "daemon/config/command_line.hpp"
#include "daemon/config/early_exit.hpp"
#include "daemon/config/guest_plan.hpp"
#include "daemon/config/host_network.hpp"
#include "daemon/config/plane_plan.hpp"
#include "daemon/config/start_report.hpp"
#include "daemon/forward/listener_set.hpp"
#include "daemon/loop/control.hpp"
#include "daemon/loop/worker_pool.hpp"
#include "daemon/netns/enter.hpp"
#include "daemon/netns/interface.hpp"
#include "daemon/netns/target.hpp"
#include "daemon/os/daemonize.hpp"
#include "daemon/os/file.hpp"
#include "daemon/os/process.hpp"
#include "daemon/report/log.hpp"
#include "daemon/report/plane_report.hpp"
#include "daemon/tap/open_tap.hpp"
#include "seccomp/sandbox.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#ifdef TAPIOCA_SANITIZED
/// The leak check wants /proc and ptrace, which the sandbox takes away.
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }
#endif

namespace tapioca {
namespace {

/// Files that the user named, created with the rights that the program was started with.
struct named_files {
    os::unique_fd null, pid, log, pcap;
};

named_files create_files(const options& opts)
{
    named_files files;
    files.null = os::open_null();
    if (opts.log_file)
        files.log = os::create_private_file(*opts.log_file, os::access::read_write, "Couldn't open log file");
    if (opts.pid_file)
        files.pid = os::create_private_file(*opts.pid_file, os::access::write_only, "Couldn't open PID file");
    if (opts.pcap_file) {
        try {
            files.pcap = os::create_private_file(*opts.pcap_file, os::access::write_only, "Couldn't open capture file");
        } catch (const std::system_error& refused) {
            log::error(refused.what()); // a capture is not worth the service
        }
    }
    return files;
}

bool starts_command(const options& opts) { return opts.mode == mode::pasta && opts.target == target_kind::command; }

void start_log(const options& opts, named_files& files)
{
    log::destinations where;
    where.name = opts.mode == mode::pasta ? "pasta" : "passt";
    where.level = opts.level;
    if (starts_command(opts) && where.level == log_level::normal)
        where.level = log_level::quiet; // the terminal is the command's
    where.file = std::move(files.log);
    where.file_cap = opts.log_size;
    where.syslog = os::connect_syslog();
    log::start(std::move(where));
}

void report(const std::vector<std::string>& notes, const std::vector<std::string>& warnings)
{
    for (const std::string& text : notes)
        log::info(text);
    for (const std::string& text : warnings)
        log::warning(text);
}

/// Root of the machine never goes on as root unless told to.
void assume_identity(const options& opts, sandbox& box)
{
    if (opts.run_as)
        return box.become(opts.run_as->uid, opts.run_as->gid);
    os::account account = os::current_account();
    if (os::is_root() && in_initial_user_namespace()) {
        log::warning("Started as root, will change to nobody.");
        account = os::nobody();
    }
    box.become(account.uid, account.gid);
}

/// RFC 8415 section 11.2: seconds since the midnight that began the year 2000, UTC.
std::uint32_t duid_time()
{
    using namespace std::chrono;
    const auto since = system_clock::now() - sys_days{year{2000} / January / 1};
    return static_cast<std::uint32_t>(duration_cast<seconds>(since).count());
}

struct network_set_up {
    plane_config config;
    plane_resources resources;
};

/// Reads the host, makes and configures the tap in the target's namespace, and leaves that.
network_set_up set_up_network(const options& opts, netns::target& target)
{
    const host_network host = discover(opts);
    report(host.notes, host.warnings);
    guest_network guest = plan_guest(opts, host, duid_time());
    report({}, resolver_warnings(opts, host, guest));
    const interface_plan plan = plan_interface(opts, host, guest);
    network_set_up made;
    configured_interface interface;
    netns::enter(target.network.get(), [&] {
        bring_up_loopback();
        for (auto& queue : open_tap(plan.name, opts.workers))
            made.resources.tap_queues.emplace_back(std::move(queue));
        interface = configure_tap(plan, plan.name);
    });
    report(interface.notes, interface.warnings);
    guest.ipv4 = guest.ipv4 && interface.ipv4;
    guest.ipv6 = guest.ipv6 && interface.ipv6;
    forward_rules rules;
    for (const auto* ranges : {&opts.tcp_ports, &opts.udp_ports})
        for (const auto& range : *ranges)
            rules.push_back({.protocol = ranges == &opts.tcp_ports ? octet{6} : octet{17},
                             .first = range.first,
                             .last = range.last,
                             .target_first = range.first});
    auto opened = open_listeners({listen_side::host, rules});
    report({}, opened.warnings);
    made.resources.listeners = std::move(opened.sockets);
    made.config = plan_plane(opts, host, guest, interface.mac);
    made.config.guest_link_local = interface.link_local;
    made.config.host_rules = rules;
    report(start_report(opts, host, guest, made.config.xlat, plan.name), {});
    target.network.reset(); // or it would live as long as we do
    return made;
}

control_hooks hooks_of(worker_pool& workers)
{
    return {.print_counters = [&workers] { report::log_counters(workers); },
            .drain_log = [&workers] { report::log_events(workers); },
            .router_advertisement = [&workers] { workers.advertise_router(); },
            .events = workers.events()};
}

int run(std::span<const char* const> argv)
{
    sandbox box = sandbox::enter();
    os::raise_descriptor_limit();
    os::use_one_heap();
    const options opts = parse_command_line(argv);
    named_files files = create_files(opts);
    start_log(opts, files);
    report({}, opts.warnings);
    netns::named_namespaces named = netns::open_named(opts);
    assume_identity(opts, box);
    netns::target target = netns::attach(opts, std::move(named), box);
    report({}, box.take_warnings());
    network_set_up network = set_up_network(opts, target);
    network.resources.pcap = std::move(files.pcap);

    const bool background = !opts.foreground && !starts_command(opts);
    box.detach_filesystem(background ? sandbox::fork_follows::yes : sandbox::fork_follows::no,
                          opts.chroot_fallback ? mounts::if_refused::chroot : mounts::if_refused::fail);
    os::readiness ready = background ? os::readiness::in_background(std::move(files.pid), files.null)
                                     : os::readiness::in_foreground(std::move(files.pid));
    log::use_stderr(ready.take_error_output());
    os::block_signals(); // the workers inherit that
    worker_pool workers{std::move(network.config), std::move(network.resources)};
    control ctl{hooks_of(workers), target.watch ? &*target.watch : nullptr,
                target.command ? std::optional{target.command->pid()} : std::nullopt};
    box.drop();
    report({}, box.take_warnings());
    workers.start();
    os::unblock_signals_ignore_pipe();
    os::forget_start_up_code();
    box.seal(opts.mode == mode::pasta ? seccomp::profile::pasta : seccomp::profile::passt);
    if (target.command)
        target.command->release();
    if (background || (target.command && opts.log_file))
        log::release_stderr();
    ready.announce();

    const int status = ctl.run();
    workers.stop();
    if (opts.level >= log_level::debug)
        report::log_counters(workers);
    return status;
}

} // namespace
} // namespace tapioca

int main(int argc, char** argv)
{
    try {
        return tapioca::run({argv, static_cast<std::size_t>(argc)});
    } catch (const tapioca::early_exit& early) {
        std::fputs(early.text.c_str(), early.to_stdout ? stdout : stderr);
        return early.status;
    } catch (const std::exception& failure) {
        tapioca::log::error(failure.what());
    }
    return EXIT_FAILURE;
}
