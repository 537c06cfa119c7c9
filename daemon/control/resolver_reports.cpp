#include "daemon/control/resolver_reports.hpp"

#include "daemon/report/log.hpp"

#include <system_error>
#include <utility>

namespace tapioca {

void resolver_reports::start(reactor& loop)
{
    loop_ = &loop;
    (void)loop.watch(watcher_.descriptor(), readiness_for::reading, [this] { take_all(); });
}

void resolver_reports::take_all()
{
    using kind = resolver_watcher::report::kind;
    while (const auto report = watcher_.take())
        switch (report->what) {
        case kind::text:
            log::debug((std::exchange(first_, false) ? "resolv.conf read: " : "resolv.conf changed: ") +
                       std::to_string(report->text.size()) + " octets");
            break;
        case kind::unreadable:
            log::debug("resolv.conf cannot be read: " + std::generic_category().message(report->error));
            break;
        case kind::ended:
            loop_->forget(watcher_.descriptor());
            watcher_.stop();
            log::warning("Changes of /etc/resolv.conf go unnoticed from now on: the process that watched it has ended");
            return;
        }
}

} // namespace tapioca
