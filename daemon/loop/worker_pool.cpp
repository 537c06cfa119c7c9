#include "daemon/loop/worker_pool.hpp"

namespace tapioca {

worker_pool::worker_pool(plane_config config, plane_resources&& resources)
    : common_(std::move(config), resources.tap_queues.size()), capture_(std::move(resources.pcap))
{
    if (capture_)
        begin_capture(capture_.get());
    auto listeners = std::move(resources.listeners);
    for (auto& tap : resources.tap_queues) {
        const auto self = static_cast<unsigned>(workers_.size());
        workers_.push_back(std::make_unique<worker>(common_, self, std::move(tap), std::exchange(listeners, {}), capture_.get()));
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

void worker_pool::advertise_router() noexcept
{
    const auto& net = common_.config.net;
    if (net.ipv6 && net.ndp && net.ra)
        workers_.front()->advertise_router();
}

void worker_pool::drain_events(const std::function<void(const report::worker_event&)>& visit)
{
    os::clear(common_.events_bell.get());
    for (auto& w : workers_)
        w->events().drain(visit);
}

} // namespace tapioca
