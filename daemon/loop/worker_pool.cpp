#include "daemon/loop/worker_pool.hpp"

#include "daemon/os/clock.hpp"
#include "daemon/os/process.hpp"
#include "daemon/tap/vhost_link.hpp"
#include "daemon/translate/limits.hpp"

#include <algorithm>

namespace tapioca {

namespace {

/// Floods must leave room for other flows, in whichever worker they arrive.
limits::descriptor_shares shares_of(const plane_resources& resources)
{
    return {os::descriptor_limit(), resources.listeners.size(), resources.tap_queues.size()};
}

plane_config with_shares(plane_config config, const plane_resources& resources)
{
    const auto shares = shares_of(resources);
    config.unanswered_flows = shares.unanswered_flows();
    config.connecting_flows = shares.connecting_flows();
    config.datagram_sockets = shares.datagram_sockets();
    const auto workers = resources.tap_queues.size();
    config.limits.reassembly = (config.limits.reassembly + workers - 1) / workers; // rounded up, as 0 means no limit
    return config;
}

} // namespace

worker_pool::worker_pool(plane_config config, plane_resources&& resources, netns::resident* in_namespace)
    : shared_(with_shares(config, resources), shares_of(resources).narrowed(config.limits), resources.tap_queues.size()),
      capture_(std::move(resources.pcap))
{
    if (capture_)
        pcap_file::begin(capture_.get());
    if (in_namespace != nullptr && !in_namespace->has_sockets())
        in_namespace = nullptr;
    for (auto& tap : resources.tap_queues) {
        const auto self = static_cast<unsigned>(workers_.size());
        workers_.push_back(std::make_unique<worker>(shared_, self, std::move(tap), capture_.get(),
                                                    in_namespace != nullptr ? in_namespace->store_of(self) : nullptr));
    }
    if (in_namespace != nullptr)
        for (std::size_t i = 0; i < workers_.size(); ++i)
            in_namespace->wake_with(i, shared_.mailboxes[i].descriptor());
    for (auto& l : resources.listeners)
        workers_.front()->listen(std::move(l));
}

void worker_pool::start(const std::function<void()>& first)
{
    for (auto& w : workers_)
        w->start(first);
}

void worker_pool::begin_drain(duration patience, processes of_guest) noexcept
{
    shared_.guest_has_ended.store(of_guest == processes::have_ended);
    shared_.drain_until.store(os::now() + patience);
    shared_.draining.store(~std::uint64_t{0} >> (64 - workers_.size()));
    for (auto& w : workers_)
        w->begin_drain();
}

void worker_pool::end_drain() noexcept
{
    shared_.drain_until.store(instant{});
    for (auto& m : shared_.mailboxes)
        m.ring();
}

device_state* worker_pool::guest_state() noexcept { return shared_.devices.vhost ? &shared_.devices.vhost->state() : nullptr; }

void worker_pool::listen(listening_socket&& l) { workers_.front()->command(std::move(l)); }

void worker_pool::stop_listening(const listener_name& name) { workers_.front()->command(tapioca::stop_listening{name}); }

void worker_pool::rename_listener(const listener_name& from, const listener_name& to)
{
    workers_.front()->command(tapioca::rename_listener{from, to});
}

bool worker_pool::have_obeyed() const noexcept
{
    return std::ranges::all_of(workers_, [](const auto& w) { return w->has_obeyed(); });
}

report::rule_totals worker_pool::counted_of_rule(rule_side side, std::size_t slot) const noexcept
{
    report::rule_totals sum;
    for (const auto& w : workers_)
        sum = sum + w->by_rule().of(side, slot);
    return sum;
}

void worker_pool::exchange(const std::function<void(plane_config&)>& change)
{
    auto next = std::make_shared<plane_config>(*shared_.config);
    change(*next);
    shared_.config = std::move(next);
    for (auto& w : workers_)
        w->command(shared_.config);
}

void worker_pool::guest_has(const ip_address& v4, const ip_address& v6) noexcept
{
    for (const auto& address : {v4, v6})
        shared_.guest.learn_address(address);
}

void worker_pool::advertise_router()
{
    const auto& net = shared_.config->net;
    if (net.ipv6 && net.ndp && net.ra)
        workers_.front()->command(tapioca::advertise_router{});
}

bool worker_pool::drain_audit(const std::function<bool(std::size_t, const report::audit_record&)>& take)
{
    bool more = false;
    for (std::size_t i = 0; i < workers_.size(); ++i)
        if (auto* ring = workers_[i]->audit())
            more = ring->drain([&](const report::audit_record& record) { return take(i, record); }) || more;
    return more;
}

std::uint64_t worker_pool::audit_records_lost() const noexcept
{
    std::uint64_t sum = 0;
    for (const auto& w : workers_)
        if (const auto* ring = w->audit())
            sum += ring->lost();
    return sum;
}

void worker_pool::stop_audit(bool stopped) noexcept
{
    for (const auto& w : workers_)
        if (auto* ring = w->audit())
            ring->stop(stopped);
}

void worker_pool::drain_events(const std::function<void(std::size_t, const report::worker_event&)>& visit)
{
    os::clear(shared_.events_bell.get());
    for (std::size_t i = 0; i < workers_.size(); ++i)
        workers_[i]->events().drain([&](const report::worker_event& event) { visit(i, event); });
}

} // namespace tapioca
