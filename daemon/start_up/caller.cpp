#include "daemon/config/follow_plan.hpp"
#include "daemon/os/process.hpp"
#include "daemon/report/log.hpp"
#include "daemon/start_up/stages.hpp"

namespace tapioca {

os::service_manager connect_service_manager(const options& opts)
{
    auto manager = os::service_manager::from_environment();
    if (!manager)
        log::warning("Couldn't connect to NOTIFY_SOCKET: " + manager.error().message());
    return manager && (!opts.goes_to_background() || opts.take_over) ? std::move(*manager) : os::service_manager{};
}

std::optional<resolver_watcher> watch_resolvers(const options& opts)
{
    if (!needs_resolvers_of_host(opts))
        return std::nullopt;
    auto watcher = resolver_watcher::start();
    if (watcher)
        return std::move(*watcher);
    log::warning("Changes of /etc/resolv.conf go unnoticed: " + watcher.error().message());
    return std::nullopt;
}

os::readiness leave_the_caller(const options& opts, sandbox& box, named_files& files)
{
    const bool background = opts.goes_to_background();
    box.detach_filesystem(background ? sandbox::fork_follows::yes : sandbox::fork_follows::no,
                          opts.chroot_fallback ? mounts::if_refused::chroot : mounts::if_refused::fail);
    os::readiness ready = background ? os::readiness::in_background(std::move(files.pid), files.null)
                                     : os::readiness::in_foreground(std::move(files.pid));
    if (opts.take_over)
        ready.replaces_another();
    if (background)
        make_room_for_descriptors(opts);
    files.null.reset();
    log::use_stderr(ready.take_error_output());
    os::block_signals(); // the other threads inherit that
    return ready;
}

} // namespace tapioca
