#include "daemon/loop/worker.hpp"

#include "daemon/os/clock.hpp"
#include "daemon/os/process.hpp"
#include "daemon/os/thread.hpp"

#include <algorithm>
#include <limits>

namespace tapioca {
namespace {

/// Each worker has its share of the pipes that may be large.
constexpr std::size_t large_pipes_of(unsigned worker, std::size_t workers) noexcept
{
    return pipe_pool::large_pipes / workers + (worker < pipe_pool::large_pipes % workers ? 1 : 0);
}

std::optional<report::audit_ring> ring_for(audit_mode mode, unsigned worker)
{
    if (mode == audit_mode::none)
        return std::nullopt;
    return std::optional<report::audit_ring>{std::in_place, mode, worker};
}

/// Our addresses on the link, and those that stand for something else than the guest.
guest_link::ours ours(const plane_config& c)
{
    guest_link::ours reserved{c.net.our_mac, {}};
    for (const auto& a : {c.net.our_address4, c.net.our_link_local})
        if (!a.is_unspecified())
            reserved.addresses.push_back(a);
    for (const auto& a : c.net.stand_ins)
        reserved.addresses.push_back(a);
    return reserved;
}

} // namespace

shared_state::shared_state(plane_config c, const flow_budget::shares& shares, std::size_t workers)
    : config(std::make_shared<const plane_config>(std::move(c))), budget(shares),
      guest(config->guest_mac, config->address_map.guest4, config->address_map.guest6,
            {.v4 = config->address_fixed4, .v6 = config->address_fixed6}, config->guest_link_local, ours(*config),
            config->secret),
      events_bell(os::make_event_fd())
{
    for (std::size_t i = 0; i < workers; ++i) {
        mailboxes.emplace_back(workers);
        flow_counts.emplace_back(0U);
        devices.queues.push_back(-1);
        idle.emplace_back(false);
    }
}

worker::worker(shared_state& common, unsigned self, tap_source tap, int capture, namespace_sockets* in_namespace)
    : shared_(common), self_(self), audit_(ring_for(common.config->audit, self)),
      device_(make_device(std::move(tap), {poller_, *this, counters_, common.devices, self})), captured_(device_->queue()),
      plane_({.config = common.config.get(),
              .tap = device_->queue(),
              .poller = poller_,
              .counters = counters_,
              .events = events_,
              .guest = common.guest,
              .others = common.mailboxes.size() > 1 ? this : nullptr,
              .in_namespace = in_namespace,
              .budget = &common.budget,
              .metering = egress_metering{common.egress_used},
              .audit = audit(),
              .watched = &common.flows_watched},
             {.large_pipes = large_pipes_of(self, common.mailboxes.size())}, os::now()),
      ctx_(plane_.common()), now_(os::now())
{
    snapshot shared_with_others = common.config;
    plane_.adopt(shared_with_others);
    if (capture >= 0)
        show_frames_to(std::make_shared<pcap_file>(capture));
    device_->start();
    publish_load();
    shared_.idle[self_] = self_ != 0 && device_->can_be_shared();
    os::require(poller_.add(shared_.mailboxes[self_].descriptor(), token_of(source::mailbox), os::trigger::level),
                "Couldn't watch a mailbox");
    if (!common.config->host_rules.empty() || !common.config->guest_rules.empty() || common.config->rules_may_change)
        keep_spare_fd();
}

worker::~worker() { stop(); }

void worker::start(const std::function<void()>& first)
{
    thread_ = os::start_thread([this, &first] {
        os::block_signals();
        first();
        running_.release();
        run();
        may_end_.acquire();
    });
    running_.acquire();
}

void worker::begin_drain() noexcept
{
    if (!thread_.joinable())
        return;
    drains_.store(true, std::memory_order_relaxed);
    stopping_.store(true, std::memory_order_release);
    shared_.mailboxes[self_].ring();
    stopped_.acquire();
    plane_.close_listeners(); // as the thread does: there may be thousands
    closed_.release();
}

void worker::stop() noexcept
{
    if (!thread_.joinable())
        return;
    stopping_.store(true, std::memory_order_relaxed);
    shared_.mailboxes[self_].ring();
    may_end_.release();
    thread_.join();
}

void worker::run() noexcept
{
    if (freezes_.load(std::memory_order_acquire))
        stand_still();
    poll_for_idle();
    // Only now, as there may be thousands: start-up does not wait for it, and new connections wait in the backlog.
    plane_.watch_listeners(stopping_, now_);
    wake_reader();
    while (!stopping_.load(std::memory_order_acquire)) {
        turn(instant::max());
        if (freezes_.load(std::memory_order_acquire))
            stand_still();
    }
    stopped_.release();
    // First, as the next instance may be waiting for the ports, and other descriptors take the kernel longer to close.
    plane_.close_listeners();
    if (!drains_.load(std::memory_order_relaxed))
        return;
    closed_.acquire();
    drain();
}

/// Sleeps until `until` at most. Whether anything was ready.
bool worker::turn(instant until) noexcept
{
    const bool frames_left = device_->has_more();
    const auto ready =
        poller_.wait(now_, std::min(until, next_deadline(now_))); // sleep until something is ready, take what else is,
    device_->begin_turn();
    now_ = os::now();
    for (const auto& event : ready) // let each flow do its work,
        dispatch(event, now_);
    if (frames_left)
        device_->read(now_);
    end_turn(now_); // then flush once: sockets, tap, timers
    return frames_left || !ready.empty();
}

void worker::end_turn(instant now) noexcept
{
    if (mail_left_)
        take_mail(now);
    plane_.end_turn(now);
    publish_load();
    device_->end_turn(now);
    if (captured_.has_sinks())
        captured_.end_turn();
    if (ctx_.others != nullptr)
        share_work(now);
    for (; bells_ != 0; bells_ &= bells_ - 1)
        shared_.mailboxes[static_cast<std::size_t>(std::countr_zero(bells_))].ring();
    wake_reader();
    counters_.add(report::counter::turns);
}

/// A worker whose queue leads to no guest is the last one to be given a flow.
void worker::publish_load() noexcept
{
    constexpr auto nobody = std::numeric_limits<std::uint32_t>::max();
    shared_.flow_counts[self_].store(device_->reaches_guest() ? plane_.load() : nobody, std::memory_order_relaxed);
}

/// Wakes the main thread if it sleeps and there are new events.
void worker::wake_reader() noexcept
{
    const bool events = events_.reader_sleeps(), records = audit_ && audit_->reader_sleeps();
    if (events || records)
        os::signal(shared_.events_bell.get());
}

void worker::dispatch(const os::event& e, instant now) noexcept
{
    const auto from = static_cast<source>(e.what.kind);
    counters_.event(from);
    if (from != source::tap && from != source::mailbox)
        did_something_ = true;
    switch (from) {
    case source::tap:
    case source::clients:
        return device_->take(e, now);
    case source::mailbox:
        return take_mail(now);
    default:
        return plane_.take(e, now);
    }
}

void worker::take_frames(std::span<const rx_frame> frames, instant now) noexcept
{
    captured_.record(frames);
    if (plane_.process(frames, now) != 0)
        did_something_ = true;
}

void worker::tell(report::event_kind what, int detail, instant now, const char* words) noexcept
{
    ctx_.report(what, now, {}, detail, {}, end_reason::finished, words);
    if (what == report::event_kind::client_gone)
        shared_.guest_gone.store(true, std::memory_order_relaxed);
}

void worker::keep_spare_fd() noexcept
{
    if (!plane_.has_spare_fd())
        plane_.reserve_spare_fd();
}

instant worker::next_deadline(instant now) const noexcept
{
    if (mail_left_ || device_->has_more())
        return now;
    return std::min(plane_.next_deadline(now), look_again_);
}

} // namespace tapioca
