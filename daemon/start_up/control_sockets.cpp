#include "daemon/start_up/stages.hpp"

#include "daemon/control/varlink_server.hpp"
#include "daemon/os/process.hpp"
#include "daemon/os/stream_listener.hpp"
#include "daemon/report/log.hpp"

namespace tapioca {
namespace {

constexpr uid_t nobody_known = 65534; ///< what the kernel calls users that a namespace has no number for

/// At the name that clients look for. Empty where there is none, or where users could not be told from each other.
os::unique_fd listen_for_lookers(const control_access& access, pid_t pid)
{
    if (pid == 0 || (!access.in_initial_namespace && os::current_account().uid == nobody_known))
        return {};
    auto fd = os::listen_abstract("tapioca/" + std::to_string(access.owner) + '/' + std::to_string(pid));
    if (fd)
        return std::move(*fd);
    log::warning("Couldn't make the socket of --control auto: " + fd.error().message());
    return {};
}

} // namespace

std::unique_ptr<control_service> begin_control(const options& opts, control_access access, os::readiness& ready,
                                               worker_pool& workers, const shown_parts& shown, control& ctl)
{
    if (!opts.shows_itself)
        return nullptr;
    const pid_t pid = ready.pid_for_caller();
    const auto successor = std::make_shared<migrate::hand_over>(
        migrate::hand_over::means{.workers = workers, .opts = opts, .link = shown.link, .rules_change = [&rules = shown.rules] {
                                      return rules.is_changing();
                                  }});
    ctl.serve(*successor);
    auto service = std::make_unique<varlink_server>(varlink_server::parts{
        .seeing = listen_for_lookers(access, pid),
        .changing = std::move(access.changing),
        .own_user = os::current_account().uid,
        .hears_root = access.in_initial_namespace,
        .methods =
            control_methods{{opts, workers, shown.rules, shown.egress, shown.watch.events(), pid, shown.names, shown.audit}},
        .hand_over = [successor](os::unique_fd client) { successor->begin(std::move(client)); }});
    shown.watch.name_rules_by(shown.rules);
    ctl.serve(shown.watch);
    ctl.serve(*service);
    return service;
}

} // namespace tapioca
