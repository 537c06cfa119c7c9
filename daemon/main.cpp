// The stages, in order: privileges shrink from line to line, and everything that can fail does so in sight of the user.
// seccomp/sandbox.hpp says why the order is as it is.
#include "daemon/config/command_line.hpp"
#include "daemon/config/early_exit.hpp"
#include "daemon/config/start_report.hpp"
#include "daemon/control/auto_forward.hpp"
#include "daemon/control/control.hpp"
#include "daemon/control/plane_report.hpp"
#include "daemon/forward/listener_set.hpp"
#include "daemon/kernel_report.hpp"
#include "daemon/loop/worker_pool.hpp"
#include "daemon/netns/resident.hpp"
#include "daemon/netns/target.hpp"
#include "daemon/os/daemonize.hpp"
#include "daemon/os/file.hpp"
#include "daemon/os/notify.hpp"
#include "daemon/os/process.hpp"
#include "daemon/os/socket.hpp"
#include "daemon/os/start_failure.hpp"
#include "daemon/os/stream_listener.hpp"
#include "daemon/report/log.hpp"
#include "daemon/set_up.hpp"
#include "daemon/tap/open_tap.hpp"
#include "daemon/translate/limits.hpp"
#include "seccomp/landlock.hpp"
#include "seccomp/sandbox.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#ifdef TAPIOCA_SANITIZED
/// The leak check wants /proc and ptrace, which the sandbox takes away.
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }
/// Sealed, the process cannot read its own symbols: reports have offsets, for addr2line(1).
extern "C" const char* __tsan_default_options() { return "symbolize=0"; }
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
            files.pcap = os::create_private_file(*opts.pcap_file, os::access::write_only, "Couldn't open pcap file");
        } catch (const std::system_error& refused) {
            log::error(refused.what()); // a capture is not worth the service
        }
    }
    return files;
}

bool starts_command(const options& opts) { return opts.mode == mode::pasta && opts.target == target_kind::command; }

bool goes_to_background(const options& opts) { return !opts.foreground && !starts_command(opts); }

void start_log(const options& opts, named_files& files)
{
    log::destinations where;
    where.name = opts.mode == mode::pasta ? "pasta" : "passt";
    where.level = opts.level;
    if (starts_command(opts) && where.level == log_level::normal)
        where.level = log_level::quiet; // the terminal is the command's
    where.file = std::move(files.log);
    where.file_cap = opts.log_size;
    where.syslog = os::connect_log();
    log::start(std::move(where));
}

void report(const std::vector<std::string>& notes, const std::vector<std::string>& warnings)
{
    for (const std::string& text : notes)
        log::info(text);
    for (const std::string& text : warnings)
        log::warning(text);
}

void warn_of_few_descriptors()
{
    constexpr std::size_t enough = 512;
    if (const auto limit = os::descriptor_limit(); limit < enough)
        log::warning("Only " + std::to_string(limit) +
                     " files may be open, and every connection takes one: raise the hard limit (ulimit -Hn, LimitNOFILE=)");
}

/// Whoever waits for our READY=1. In the background the end of the parent says that we are ready, and that is all.
os::service_manager connect_service_manager(const options& opts)
{
    auto manager = os::service_manager::from_environment();
    if (!manager)
        log::warning("Couldn't connect to NOTIFY_SOCKET: " + manager.error().message());
    return manager && !goes_to_background(opts) ? std::move(*manager) : os::service_manager{};
}

void announce(const options& opts, os::readiness& ready, os::service_manager& manager)
{
    if (goes_to_background(opts) || (starts_command(opts) && opts.log_file))
        log::release_stderr();
    ready.announce();
    if (const auto told = manager.ready(); !told)
        log::warning("Couldn't tell the service manager: " + told.error().message());
}

/// Root of the machine never goes on as root unless told to.
void assume_identity(const options& opts, sandbox& box)
{
    if (opts.run_as) {
        try {
            return box.become(opts.run_as->uid, opts.run_as->gid);
        } catch (const std::system_error& refused) {
            throw std::runtime_error(refused.what() + (refused.code().value() == EPERM
                                                           ? "; --runas is for root, and this is " + os::name_of_user()
                                                           : "; the user namespace has no such id"));
        }
    }
    os::account account = os::current_account();
    if (os::is_root() && in_initial_user_namespace()) {
        log::warning("Started as root, will change to nobody.");
        account = os::nobody();
    }
    box.become(account.uid, account.gid);
}

/// The guest that whoever started us has connected already: a descriptor that neither stands in the way of standard input and
/// output nor is closed with the other inherited ones.
os::unique_fd inherited_client(const options& opts)
{
    if (!opts.client)
        return {};
    auto client = os::adopt_stream(*opts.client);
    if (!client)
        throw os::start_failure("Could not move --fd descriptor", client.error().value(),
                                client.error().value() == EBADF
                                    ? "no descriptor " + std::to_string(*opts.client) + " was inherited"
                                    : "a connected stream socket is needed");
    return std::move(*client);
}

/// Listening sockets, and as many flows as an ordinary guest has at once.
std::size_t descriptors_of(const options& opts)
{
    std::size_t wanted = 4096;
    for (const forward_rules* rules : {&opts.host_rules, &opts.guest_rules})
        for (const forward_rule& rule : *rules)
            wanted += rule.scan ? 0 : rule.port_count();
    return wanted;
}

/// Sockets of the namespace are needed while the program runs if loopback traffic goes past the tap.
std::unique_ptr<netns::resident> make_resident(const options& opts, std::size_t workers, netns::target& target)
{
    using ports = netns::resident::privileged_ports;
    std::unique_ptr<netns::resident> resident;
    const bool scans = std::ranges::any_of(opts.guest_rules, &forward_rule::scan);
    if ((opts.splice && !opts.host_rules.empty()) || !opts.guest_rules.empty())
        resident =
            std::make_unique<netns::resident>(std::move(target.network), workers, scans ? ports::at_any_time : ports::never);
    target.network.reset(); // or it would live as long as we do
    return resident;
}

std::unique_ptr<auto_forward> follow_ports(const options& opts, plane_parts& parts, netns::resident* resident)
{
    std::unique_ptr<auto_forward> follower;
    if (!parts.guest_ports)
        return follower;
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
    follower = std::make_unique<auto_forward>(opts.host_rules, opts.guest_rules, std::move(*parts.host_ports),
                                              std::move(*parts.guest_ports), fixed, open, shares.scanned_listeners());
    return follower;
}

control_hooks hooks_of(const options& opts, worker_pool& workers, std::unique_ptr<auto_forward>& follower)
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
    if (follower)
        hooks.scan_ports = [&workers, &follower] { report(follower->scan(workers), {}); };
    return hooks;
}

plane_parts set_up(const options& opts, const netns::target& target, opened_listeners on_host, os::unique_fd client)
{
    set_up_report lines;
    plane_parts parts = opts.mode == mode::pasta ? set_up_namespace(opts, target, std::move(client), lines)
                                                 : set_up_socket(opts, std::move(client), lines);
    report(lines.notes, lines.warnings);
    report({}, on_host.warnings);
    std::ranges::move(on_host.sockets, std::back_inserter(parts.resources.listeners));
    return parts;
}

/// The last step with a filesystem, and the last with one process.
os::readiness leave_the_caller(const options& opts, sandbox& box, named_files& files)
{
    const bool background = goes_to_background(opts);
    box.detach_filesystem(background ? sandbox::fork_follows::yes : sandbox::fork_follows::no,
                          opts.chroot_fallback ? mounts::if_refused::chroot : mounts::if_refused::fail);
    os::readiness ready = background ? os::readiness::in_background(std::move(files.pid), files.null)
                                     : os::readiness::in_foreground(std::move(files.pid));
    if (background)
        os::make_room_for_descriptors(descriptors_of(opts));
    files.null.reset();
    log::use_stderr(ready.take_error_output());
    os::block_signals(); // the other threads inherit that
    return ready;
}

/// The descriptor of the tap, which its queue owns; -1 if there is none.
int tap_of(const plane_parts& parts)
{
    const auto* tun = std::get_if<tun_descriptor>(&parts.resources.tap_queues.front());
    return tun != nullptr ? tun->fd.get() : -1;
}

/// The system calls that this run still needs.
seccomp::profile what_is_left(const options& opts, const netns::target& target, bool bypass, bool keeps_peer_octets)
{
    using seccomp::task;
    seccomp::profile left{};
    const auto add = [&left](bool wanted, task t) {
        if (wanted)
            left.add(t);
    };
    const auto scans = [](const forward_rules& rules) { return std::ranges::any_of(rules, &forward_rule::scan); };
    add(!opts.splice_only, task::guest);
    add(bypass, task::bypass);
    add(scans(opts.host_rules) || scans(opts.guest_rules), task::scan);
    add(target.watch.has_value(), task::watch);
    add(target.command.has_value(), task::command);
    add(opts.log_file.has_value(), task::log_file);
    add(opts.pcap_file || (opts.mode == mode::pasta && !opts.splice_only && keeps_peer_octets), task::pieces);
    return left;
}

/// Who waits for us to be ready.
struct waiting {
    os::readiness& caller;
    os::service_manager& manager;
};

/// Brings what was acknowledged to where it belongs, and resets what is not complete then.
void drain(const options& opts, worker_pool& workers, control& ctl)
{
    using processes = worker_pool::processes;
    workers.begin_drain(opts.drain_timeout, ctl.told_to_end() ? processes::live : processes::have_ended);
    ctl.wait_until([&workers] { return workers.ended(); }, [&workers] { workers.end_drain(); });
    if (const auto count = workers.reset_at_end(); count != 0)
        log::info("Connections that were not complete and have been reset: " + std::to_string(count));
}

/// What is left to do when everything is sealed: say so, and serve. The exit status.
int serve(const options& opts, netns::target& target, int tap, waiting who, worker_pool& workers, control& ctl) noexcept
{
    int status = EXIT_FAILURE;
    try {
        if (target.command)
            target.command->release();
        announce(opts, who.caller, who.manager);
        status = ctl.run();
        who.manager.stopping();
        drain(opts, workers, ctl);
        if (ctl.command_ended() && opts.pid_namespace) // with its first process all of the namespace's have ended
            leave_to_namespace(tap);
        if (opts.level >= log_level::debug)
            report::log_counters(workers);
    } catch (const std::exception& failure) {
        log::error(failure.what());
    }
    return status;
}

[[noreturn]] void run(std::span<const char* const> argv)
{
    os::ignore_broken_pipes();
    os::use_one_heap();
    const options opts = parse_command_line(argv, discover_port_facts());
    os::unique_fd client = inherited_client(opts);
    netns::named_namespaces named = netns::open_named(opts); // whose path may be that of an inherited descriptor
    sandbox box = sandbox::enter({client.get(), named.user.get(), named.network.get()});
    os::end_on_termination();
    os::raise_descriptor_limit();
    named_files files = create_files(opts);
    start_log(opts, files);
    report({}, opts.warnings);
    warn_of_few_descriptors();
    os::service_manager manager = connect_service_manager(opts);
    os::make_room_for_descriptors(descriptors_of(opts));
    opened_listeners on_host = open_listeners({rule_side::host, opts.host_rules, opts.freebind}); // low ports may be root's
    os::wait_until_alone();
    assume_identity(opts, box);
    netns::target target = netns::attach(opts, std::move(named), box);
    report({}, box.take_warnings());
    plane_parts parts = set_up(opts, target, std::move(on_host), std::move(client));
    report(rule_report(opts), {}); // behind all that is refused: callers show the first line of a failure
    if (opts.level >= log_level::debug)
        log::debug(kernel_report(parts));
    parts.resources.pcap = std::move(files.pcap);
    const int tap = tap_of(parts);
    const bool keeps_peer_octets = parts.config.keeps_peer_octets();

    os::readiness ready = leave_the_caller(opts, box, files);
    std::unique_ptr<netns::resident> resident = make_resident(opts, parts.resources.tap_queues.size(), target);
    std::unique_ptr<auto_forward> follower = follow_ports(opts, parts, resident.get());
    worker_pool workers{std::move(parts.config), std::move(parts.resources), resident.get()};
    control ctl{hooks_of(opts, workers, follower), target.watch ? &*target.watch : nullptr,
                target.command ? std::optional{target.command->pid()} : std::nullopt};
    if (resident)
        resident->start();
    box.drop();
    report({}, box.take_warnings());
    workers.start([] { landlock::confine(landlock::bind_to::port_of_the_kernels_choice, landlock::connect_to::anybody); });
    os::unblock_signals();
    os::forget_start_up_code();
    box.seal(what_is_left(opts, target, resident != nullptr, keeps_peer_octets));
    // Threads cannot end any more, nor memory be given back.
    os::end_process(serve(opts, target, tap, {ready, manager}, workers, ctl));
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
