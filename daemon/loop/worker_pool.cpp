#include "daemon/loop/worker_pool.hpp"

namespace tapioca {

worker_pool::worker_pool(plane_config config, plane_resources&& resources)
    : config_(std::move(config)), guest_(config_.guest_mac, config_.xlat.guest4, config_.xlat.guest6,
                                         {.v4 = config_.address_fixed4, .v6 = config_.address_fixed6})
{
    const auto& granted = resources.tap.offloads;
    auto listeners = std::move(resources.listeners);
    for (auto& queue : resources.tap.queues) {
        tun_descriptor tap{std::move(queue), granted.virtio_header, {}};
        tap.offload = {.checksum = granted.checksum, .tso = granted.tso4 && granted.tso6, .uso = granted.uso};
        workers_.push_back(std::make_unique<worker>(config_, guest_, std::move(tap), std::exchange(listeners, {})));
    }
}

void worker_pool::start()
{
    for (auto& w : workers_)
        w->start();
}

void worker_pool::stop() noexcept
{
    for (auto& w : workers_)
        w->stop();
}

void worker_pool::drain_events(const std::function<void(const report::worker_event&)>& visit)
{
    for (auto& w : workers_)
        w->events().drain(visit);
}

} // namespace tapioca
