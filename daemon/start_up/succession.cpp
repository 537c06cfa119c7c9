#include "daemon/start_up/stages.hpp"

#include "seccomp/landlock.hpp"

namespace tapioca {

opened_listeners listen_on_host(const options& opts)
{
    return opts.take_over ? opened_listeners{} : open_listeners({rule_side::host, opts.host_rules, opts.freebind});
}

std::unique_ptr<migrate::predecessor> find_predecessor(const options& opts, opened_listeners& on_host)
{
    if (!opts.take_over)
        return nullptr;
    auto before = std::make_unique<migrate::predecessor>(*opts.take_over, opts);
    auto on_our_side = before->take_listeners_of(rule_side::host);
    on_host = open_listeners({rule_side::host, opts.host_rules, opts.freebind, &on_our_side});
    return before;
}

void start_workers(worker_pool& workers, const migrate::predecessor* before)
{
    if (before != nullptr)
        workers.begin_frozen();
    workers.start([] { landlock::confine(landlock::bind_to::port_of_the_kernels_choice, landlock::connect_to::anybody); });
}

} // namespace tapioca
