#include "daemon/loop/worker.hpp"

#include "daemon/os/clock.hpp"
#include "daemon/os/process.hpp"
#include "daemon/os/thread.hpp"

#include <algorithm>
#include <cerrno>

namespace tapioca {
namespace {

/// Each worker has its share of the pipes that may be large.
constexpr std::size_t large_pipes_of(unsigned worker, std::size_t workers) noexcept
{
    return pipe_pool::large_pipes / workers + (worker < pipe_pool::large_pipes % workers ? 1 : 0);
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
    : config(std::move(c)), budget(shares),
      guest(config.guest_mac, config.address_map.guest4, config.address_map.guest6,
            {.v4 = config.address_fixed4, .v6 = config.address_fixed6}, config.guest_link_local, ours(config), config.secret),
      events_bell(os::make_event_fd())
{
    for (std::size_t i = 0; i < workers; ++i) {
        mailboxes.emplace_back(workers + 1); // the last sender is the control plane
        flow_counts.emplace_back(0U);
        tap_queues.push_back(-1);
        resting.emplace_back(false);
    }
}

worker::worker(shared_state& common, unsigned self, tap_source tap, int capture, namespace_sockets* in_namespace)
    : shared_(common), self_(self), tap_(make_queue(tap, counters_)), captured_(*tap_, capture),
      plane_({.config = common.config,
              .tap = capture < 0 ? *tap_ : captured_,
              .poller = poller_,
              .counters = counters_,
              .events = events_,
              .guest = common.guest,
              .others = common.mailboxes.size() > 1 ? this : nullptr,
              .in_namespace = in_namespace,
              .budget = &common.budget},
             {.large_pipes = large_pipes_of(self, common.mailboxes.size())}, os::now()),
      ctx_(plane_.common()), visits_(common.mailboxes.size()), now_(os::now())
{
    if (auto* clients = std::get_if<stream_descriptor>(&tap))
        serve_clients(std::move(*clients));
    else if (const int tap_fd = tap_->descriptor(); tap_fd >= 0) {
        shared_.tap_queues[self_] = tap_fd;
        shared_.resting[self_] = self_ != 0;
        if (self_ == 0)
            os::require(poller_.add(tap_fd, token_of(source::tap, self_), os::trigger::level), "Couldn't watch the tap device");
    }
    os::require(poller_.add(shared_.mailboxes[self_].descriptor(), token_of(source::mailbox), os::trigger::level),
                "Couldn't watch a mailbox");
    if (clients_ || !common.config.host_rules.empty() || !common.config.guest_rules.empty())
        plane_.reserve_spare_fd();
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

void worker::advertise_router() noexcept
{
    advertise_.store(true, std::memory_order_relaxed);
    shared_.mailboxes[self_].ring();
}

void worker::run() noexcept
{
    read_for_resting();
    // Only now, so that nobody waits for it: there may be thousands, and new connections wait in the backlog meanwhile.
    plane_.watch_listeners(stopping_, now_);
    wake_reader();
    while (!stopping_.load(std::memory_order_acquire))
        turn(instant::max());
    stopped_.release();
    // Whoever starts the next one waits for the ports, and other descriptors take the kernel longer to close.
    plane_.close_listeners();
    if (!drains_.load(std::memory_order_relaxed))
        return;
    closed_.acquire();
    drain();
}

/// Sleeps until `until` at most. Whether anything was ready.
bool worker::turn(instant until) noexcept
{
    const bool stream_left = ctx_.tap.has_more();
    const auto ready =
        poller_.wait(now_, std::min(until, next_deadline(now_))); // sleep until something is ready, take what else is,
    now_ = os::now();
    ++turn_;
    for (const auto& event : ready) // let each flow do its work,
        dispatch(event, now_);
    if (stream_left)
        take_stream(now_);
    end_turn(now_); // then flush once: sockets, tap, timers
    return stream_left || !ready.empty();
}

void worker::end_turn(instant now) noexcept
{
    if (mail_left_)
        take_mail(now);
    plane_.end_turn(now);
    if (stream_ != nullptr)
        change_clients(now);
    shared_.flow_counts[self_].store(plane_.load(), std::memory_order_relaxed);
    if (ctx_.others != nullptr)
        share_work(now);
    for (; bells_ != 0; bells_ &= bells_ - 1)
        shared_.mailboxes[static_cast<std::size_t>(std::countr_zero(bells_))].ring();
    wake_reader();
    counters_.add(report::counter::turns);
}

/// Of our events, if there are any for one who sleeps.
void worker::wake_reader() noexcept
{
    if (events_.reader_sleeps())
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
        if (stream_ == nullptr)
            return take_tap(e, now);
        if (e.closed_by_peer)
            stream_->expect_end();
        return take_stream(now);
    case source::clients:
        client_waits_ = true;
        return;
    case source::mailbox:
        return take_mail(now);
    default:
        return plane_.take(e, now);
    }
}

/// A lone frame costs one read and no EAGAIN; while the tap has frames turn after turn, the batch doubles.
void worker::take_tap(const os::event& e, instant now) noexcept
{
    const auto whose = e.what.id;
    if (e.error) { // the guest has removed the device, which does not come back
        poller_.remove(shared_.tap_queues[whose]);
        tap_failed_ = true;
        return ctx_.report(report::event_kind::tap_failed, now, {}, ENODEV);
    }
    auto& visits = visits_[whose];
    const auto reads = turn_ == visits.turn + 1 ? visits.reads : 1;
    if (whose != self_)
        ctx_.tap.read_from(shared_.tap_queues[whose]);
    const auto frames = ctx_.tap.receive(reads);
    if (whose != self_)
        ctx_.tap.read_from(-1);
    visits.reads = frames.size() < reads ? std::max<std::size_t>(frames.size(), 1) : std::min(2 * reads, tap_queue::most_frames);
    visits.turn = turn_;
    if (plane_.process(frames, now) != 0)
        did_something_ = true;
}

instant worker::next_deadline(instant now) const noexcept
{
    if (mail_left_ || ctx_.tap.has_more())
        return now;
    return std::min(plane_.next_deadline(now), look_again_);
}

} // namespace tapioca
