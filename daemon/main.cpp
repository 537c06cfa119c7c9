// The stages, in order: privileges shrink from line to line, and everything that can fail does so in sight of the user.
// seccomp/sandbox.hpp says why the order is as it is.
#include "daemon/loop/control.hpp"
#include "daemon/netns/enter.hpp"
#include "daemon/netns/target.hpp"
#include "daemon/os/daemonize.hpp"
#include "daemon/os/file.hpp"
#include "daemon/os/process.hpp"
#include "daemon/report/log.hpp"
#include "daemon/stand_in.hpp"
#include "seccomp/sandbox.hpp"

#include <cstdlib>
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

void report(sandbox& box)
{
    for (const std::string& text : box.take_warnings())
        log::warning(text);
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

/// The tap and what it needs, in the target's namespace.
tap::opened_tap open_interface(const options& opts, netns::target& target)
{
    tap::opened_tap tap;
    netns::enter(target.network.get(), [&] {
        netns::bring_up_loopback();
        tap = tap::open_tap(opts.ns_ifname.value_or("tap0"), opts.workers);
    });
    target.network.reset();
    return tap;
}

int run(int argc, char** argv)
{
    sandbox box = sandbox::enter();
    os::raise_descriptor_limit();
    const options opts = parse_command_line(argc, argv);
    named_files files = create_files(opts);
    start_log(opts, files);
    netns::named_namespaces named = netns::open_named(opts);
    assume_identity(opts, box);
    netns::target target = netns::attach(opts, std::move(named), box);
    report(box);
    plane_resources resources{open_interface(opts, target), std::move(files.pcap)};

    const bool background = !opts.foreground && !starts_command(opts);
    box.detach_filesystem(background ? sandbox::fork_follows::yes : sandbox::fork_follows::no,
                          opts.chroot_fallback ? mounts::if_refused::chroot : mounts::if_refused::fail);
    os::readiness ready = background ? os::readiness::in_background(std::move(files.pid), files.null)
                                     : os::readiness::in_foreground(std::move(files.pid));
    log::use_stderr(ready.error_output());
    os::block_signals(); // the workers inherit that
    control ctl{
        {}, target.watch ? &*target.watch : nullptr, target.command ? std::optional{target.command->pid()} : std::nullopt};
    worker_pool workers{opts, std::move(resources)};
    box.drop();
    report(box);
    workers.start();
    os::unblock_signals_ignore_pipe();
    box.seal(opts.mode == mode::pasta ? seccomp::profile::pasta : seccomp::profile::passt);
    if (target.command)
        target.command->release();
    ready.announce();
    if (background || (target.command && opts.log_file))
        log::release_stderr();

    const int status = ctl.run();
    workers.stop();
    return status;
}

} // namespace
} // namespace tapioca

int main(int argc, char** argv)
{
    try {
        return tapioca::run(argc, argv);
    } catch (const std::exception& failure) {
        tapioca::log::error(failure.what());
    }
    return EXIT_FAILURE;
}
