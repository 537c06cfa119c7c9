#include "daemon/start_up/stages.hpp"

#include "daemon/control/plane_report.hpp"
#include "daemon/report/log.hpp"
#include "daemon/tap/open_tap.hpp"

#include <cstdlib>
#include <exception>

namespace tapioca {
namespace {

void announce(const options& opts, waiting who)
{
    if (opts.goes_to_background() || (opts.starts_command() && opts.log_file))
        log::release_stderr();
    who.caller.announce();
    if (const auto told = who.before != nullptr ? who.manager.ready_instead(who.caller.pid_for_caller()) : who.manager.ready();
        !told)
        log::warning("Couldn't tell the service manager: " + told.error().message());
}

/// Brings what was acknowledged to where it belongs, and resets what is not complete then.
void drain(const options& opts, worker_pool& workers, audit_log* audit, control& ctl)
{
    using processes = worker_pool::processes;
    workers.begin_drain(opts.drain_timeout, ctl.told_to_end() ? processes::live : processes::have_ended);
    ctl.wait_until([&workers] { return workers.ended(); }, [&workers] { workers.end_drain(); });
    if (audit != nullptr) {
        audit->finish();
        ctl.wait_until([audit] { return audit->is_done(); }, [] {});
    }
    if (const auto count = workers.reset_at_end(); count != 0)
        log::info("Connections that were not complete and have been reset: " + std::to_string(count));
}

} // namespace

int serve(const options& opts, netns::target& target, int tap, waiting who, worker_pool& workers, audit_log* audit,
          control& ctl) noexcept
{
    int status = EXIT_FAILURE;
    try {
        if (target.command)
            target.command->release();
        if (who.before != nullptr)
            who.before->take_place(workers, who.caller.pid_for_caller());
        announce(opts, who);
        if (audit != nullptr)
            ctl.serve(*audit);
        status = ctl.run();
        who.manager.stopping();
        ctl.end_helpers();
        drain(opts, workers, audit, ctl);
        ctl.wait_for_helpers();
        if (ctl.command_ended() && opts.pid_namespace) // with its first process all of the namespace's have ended
            leave_to_namespace(tap);
        if (opts.level >= log_level::debug)
            report::log_counters(workers);
    } catch (const std::exception& failure) {
        log::error(failure.what());
    }
    return status;
}

} // namespace tapioca
