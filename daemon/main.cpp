// The stages, in order: privileges shrink from line to line, and everything that can fail does so in sight of the user.
// seccomp/sandbox.hpp says why the order is as it is.
#include "daemon/config/command_line.hpp"
#include "daemon/config/early_exit.hpp"
#include "daemon/config/guest_plan.hpp"
#include "daemon/config/plane_plan.hpp"
#include "daemon/forward/listener_set.hpp"
#include "daemon/loop/control.hpp"
#include "daemon/loop/worker_pool.hpp"
#include "daemon/netns/enter.hpp"
#include "daemon/netns/target.hpp"
#include "daemon/os/daemonize.hpp"
#include "daemon/os/file.hpp"
#include "daemon/os/process.hpp"
#include "daemon/report/log.hpp"
#include "daemon/report/plane_report.hpp"
#include "seccomp/sandbox.hpp"

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

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
            log::error(refused.what());
        }
    }
    return files;
}

bool starts_command(const options& opts) { return opts.mode == mode::pasta && opts.target == target_kind::command; }

bool runs_in_background(const options& opts) { return !opts.foreground && !starts_command(opts); }

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

/// Root of the machine never goes on as root unless told to.
void assume_identity(const options& opts, sandbox& box)
{
    if (opts.run_as)
        return box.become(opts.run_as->uid, opts.run_as->gid);
    if (os::is_root() && in_initial_user_namespace()) {
        log::warning("Started as root, will change to nobody.");
        const os::account nobody = os::nobody();
        return box.become(nobody.uid, nobody.gid);
    }
    const os::account own = os::current_account();
    box.become(own.uid, own.gid);
}

/// DHCPv6 counts from the start of 2000 (RFC 8415 section 11.2).
std::uint32_t duid_time()
{
    constexpr std::time_t start_of_2000 = 946684800;
    return static_cast<std::uint32_t>(std::time(nullptr) - start_of_2000);
}

void log_all(const std::vector<std::string>& notes, const std::vector<std::string>& warnings)
{
    for (const auto& text : notes)
        log::info(text);
    for (const auto& text : warnings)
        log::warning(text);
}

struct network_set_up {
    plane_config config;
    plane_resources resources;
};

/// Reads the host, makes and configures the tap in the target's namespace, and lets go of that.
network_set_up set_up_network(const options& opts, netns::target& target, os::unique_fd pcap)
{
    const host_network host = discover(opts);
    log_all(host.notes, host.warnings);
    const guest_network guest = plan_guest(opts, host, duid_time());
    const interface_plan plan = plan_interface(opts, host, guest);
    tap::opened_tap tap;
    configured_interface interface;
    netns::enter(target.network.get(), [&] {
        bring_up_loopback();
        tap = tap::open_tap(plan.name, opts.workers);
        interface = configure_tap(plan, plan.name);
    });
    target.network.reset(); // or it would live as long as we do
    log_all(interface.notes, interface.warnings);
    return {plan_plane(opts, host, guest, interface), {std::move(tap), open_listeners(opts), std::move(pcap)}};
}

control_hooks hooks_of(worker_pool& workers)
{
    return {.print_counters = [&workers] { report::log_counters(workers); },
            .drain_log = [&workers] { report::log_events(workers); },
            .router_advertisement = [&workers] { workers.advertise_router(); }};
}

/// From here on no path can be opened. Returns in the process that will serve.
os::readiness detach(const options& opts, sandbox& box, named_files files)
{
    const bool background = runs_in_background(opts);
    box.detach_filesystem(background ? sandbox::fork_follows::yes : sandbox::fork_follows::no,
                          opts.chroot_fallback ? mounts::if_refused::chroot : mounts::if_refused::fail);
    os::readiness ready = background ? os::readiness::in_background(std::move(files.pid), files.null)
                                     : os::readiness::in_foreground(std::move(files.pid));
    log::use_stderr(ready.take_error_output());
    return ready;
}

/// Traffic flows; the user may rely on it, and gets the terminal back.
void announce(const options& opts, netns::target& target, os::readiness& ready)
{
    if (target.command)
        target.command->release();
    if (runs_in_background(opts) || (target.command && opts.log_file))
        log::release_stderr();
    ready.announce();
}

int run(int argc, char** argv)
{
    sandbox box = sandbox::enter();
    os::raise_descriptor_limit();
    const options opts = parse_command_line({argv, static_cast<std::size_t>(argc)});
    named_files files = create_files(opts);
    start_log(opts, files);
    log_all({}, opts.warnings);
    netns::named_namespaces named = netns::open_named(opts);
    assume_identity(opts, box);
    netns::target target = netns::attach(opts, std::move(named), box);
    log_all({}, box.take_warnings());
    network_set_up network = set_up_network(opts, target, std::move(files.pcap));
    worker_pool workers{std::move(network.config), std::move(network.resources)};

    os::readiness ready = detach(opts, box, std::move(files));
    os::block_signals(); // the workers inherit that
    const auto command = target.command ? std::optional{target.command->pid()} : std::nullopt;
    control ctl{hooks_of(workers), target.watch ? &*target.watch : nullptr, command};
    box.drop();
    log_all({}, box.take_warnings());
    workers.start();
    os::unblock_signals_ignore_pipe();
    box.seal(opts.mode == mode::pasta ? seccomp::profile::pasta : seccomp::profile::passt);
    announce(opts, target, ready);

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
        return tapioca::run(argc, argv);
    } catch (const tapioca::early_exit& end) {
        std::fputs(end.text.c_str(), end.to_stdout ? stdout : stderr);
        return end.status;
    } catch (const std::exception& failure) {
        tapioca::log::error(failure.what());
    }
    return EXIT_FAILURE;
}
