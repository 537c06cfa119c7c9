#include "daemon/loop/worker.hpp"

#include "daemon/os/clock.hpp"
#include "daemon/os/process.hpp"
#include "daemon/os/thread.hpp"
#include "proto/responder/ndp.hpp"
#include "proto/wire/protocol.hpp"

#include <algorithm>
#include <cerrno>

namespace tapioca {
namespace {

constexpr std::size_t most_accepts = 16; ///< in a turn

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

common_ground::common_ground(plane_config c, const flow_budget::shares& shares, std::size_t workers)
    : config(std::move(c)), budget(shares),
      guest(config.guest_mac, config.xlat.guest4, config.xlat.guest6, {.v4 = config.address_fixed4, .v6 = config.address_fixed6},
            config.guest_link_local, ours(config), config.secret),
      events_bell(os::make_event_fd())
{
    for (std::size_t i = 0; i < workers; ++i) {
        mailboxes.emplace_back(workers + 1); // the last sender is the control plane
        flow_counts.emplace_back(0U);
        tap_queues.push_back(-1);
        resting.emplace_back(false);
    }
}

worker::worker(common_ground& common, unsigned self, tap_source tap, int capture, namespace_sockets* in_namespace)
    : common_(common), self_(self), tap_(make_queue(tap, counters_)),
      captured_(*tap_, capture), ctx_{common.config,
                                      capture < 0 ? *tap_ : captured_,
                                      poller_,
                                      counters_,
                                      events_,
                                      common.guest,
                                      common.mailboxes.size() > 1 ? this : nullptr,
                                      in_namespace},
      tcp_(ctx_, tcp_translator::most_flows, os::now()), udp_(ctx_, udp_translator::most_flows, os::now()),
      udp_splice_(ctx_, udp_splice::most_flows, os::now()), echo_(ctx_, echo_translator::most_flows, os::now()),
      ingress_(ctx_, tcp_, udp_, echo_),
      splice_(ctx_, tcp_splice::most_flows, large_pipes_of(self, common.mailboxes.size()), os::now()),
      listeners_(common.config.host_rules, common.config.guest_rules), visits_(common.mailboxes.size()), now_(os::now())
{
    ctx_.listeners = &listeners_;
    ctx_.budget = &common.budget;
    udp_.splice_through(udp_splice_);
    if (auto* clients = std::get_if<stream_descriptor>(&tap))
        serve_clients(std::move(*clients));
    else if (const int tap_fd = tap_->descriptor(); tap_fd >= 0) {
        common_.tap_queues[self_] = tap_fd;
        common_.resting[self_] = self_ != 0;
        if (self_ == 0)
            os::require(poller_.add(tap_fd, token_of(source::tap, self_), os::trigger::level), "Couldn't watch the tap device");
    }
    os::require(poller_.add(common_.mailboxes[self_].descriptor(), token_of(source::mailbox), os::trigger::level),
                "Couldn't watch a mailbox");
    if (clients_ || !common.config.host_rules.empty() || !common.config.guest_rules.empty())
        set_aside();
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
    common_.mailboxes[self_].ring();
    stopped_.acquire();
    listeners_.clear(); // as the thread does: there may be thousands
    closed_.release();
}

void worker::stop() noexcept
{
    if (!thread_.joinable())
        return;
    stopping_.store(true, std::memory_order_relaxed);
    common_.mailboxes[self_].ring();
    may_end_.release();
    thread_.join();
}

void worker::advertise_router() noexcept
{
    advertise_.store(true, std::memory_order_relaxed);
    common_.mailboxes[self_].ring();
}

void worker::run() noexcept
{
    read_for_resting();
    // Only now, so that nobody waits for it: there may be thousands, and who comes meanwhile waits in the socket.
    for (auto i = listeners_.first_used(); i < listeners_.end_of_used() && !stopping_.load(std::memory_order_relaxed); ++i)
        watch(i);
    while (!stopping_.load(std::memory_order_acquire))
        turn(instant::max());
    stopped_.release();
    listeners_.clear(); // whoever starts the next one waits for the ports, and other descriptors take the kernel longer to close
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
    tcp_.expire(now);
    udp_.expire(now);
    udp_splice_.expire(now);
    echo_.expire(now);
    ingress_.expire(now);
    splice_.expire(now);
    tcp_.end_turn(now);
    udp_.end_turn(now);
    echo_.end_turn(now);
    splice_.end_turn(now);
    udp_splice_.end_turn(now);
    ctx_.tap.flush();
    if (stream_ != nullptr)
        change_clients(now);
    common_.flow_counts[self_].store(load(), std::memory_order_relaxed);
    if (ctx_.others != nullptr)
        share_work(now);
    for (; bells_ != 0; bells_ &= bells_ - 1)
        common_.mailboxes[static_cast<std::size_t>(std::countr_zero(bells_))].ring();
    wake_reader();
    counters_.add(report::counter::turns);
}

/// Of our events, if there are any for one who sleeps.
void worker::wake_reader() noexcept
{
    if (events_.reader_sleeps())
        os::signal(common_.events_bell.get());
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
    case source::tcp_flow:
        return tcp_.from_socket({e.what.id}, e, now);
    case source::tcp_listener:
        return accept_from(e, now);
    case source::udp_port:
        return udp_.from_socket({e.what.id}, e, now);
    case source::echo_flow:
        return echo_.from_socket({e.what.id}, e);
    case source::udp_splice:
        return udp_splice_.from_socket({e.what.id}, e);
    case source::udp_listener:
        if (const auto* l = listeners_.find(e.what.id))
            udp_.from_listener(l->name, e, now);
        return;
    case source::tcp_splice_host:
        return splice_.from_socket(0, {e.what.id}, e, now);
    case source::tcp_splice_guest:
        return splice_.from_socket(1, {e.what.id}, e, now);
    }
}

/// A lone frame costs one read and no EAGAIN; while the tap has frames turn after turn, the batch doubles.
void worker::take_tap(const os::event& e, instant now) noexcept
{
    const auto whose = e.what.id;
    if (e.error) { // the guest has removed the device, which does not come back
        poller_.remove(common_.tap_queues[whose]);
        tap_failed_ = true;
        return ctx_.report(report::event_kind::tap_failed, now, {}, ENODEV);
    }
    auto& visits = visits_[whose];
    const auto reads = turn_ == visits.turn + 1 ? visits.reads : 1;
    if (whose != self_)
        ctx_.tap.read_from(common_.tap_queues[whose]);
    const auto frames = ctx_.tap.receive(reads);
    if (whose != self_)
        ctx_.tap.read_from(-1);
    visits.reads = frames.size() < reads ? std::max<std::size_t>(frames.size(), 1) : std::min(2 * reads, tap_queue::most_frames);
    visits.turn = turn_;
    if (ingress_.process(frames, now) != 0)
        did_something_ = true;
}

void worker::take_requests(instant now) noexcept
{
    (void)now;
    if (!advertise_.exchange(false, std::memory_order_relaxed))
        return;
    const auto all_nodes = ip_address::v6({0xff02, 0, 0, 0, 0, 0, 0, 1});
    const auto size = router_advertisement(ctx_.config.net, all_nodes, wire::multicast_mac(all_nodes), ctx_.tap.acquire());
    if (size == 0)
        return;
    counters_.add(report::counter::router_advertisements);
    ctx_.tap.commit({}, 0, size);
}

void worker::listen(listening_socket l) noexcept { (void)listeners_.put(std::move(l)); }

void worker::watch(std::uint32_t listener) noexcept
{
    const auto* l = listeners_.find(listener);
    if (l == nullptr)
        return;
    const auto name = l->name;
    const auto watched = name.protocol == wire::protocol_tcp
                             ? poller_.add(l->fd(), token_of(source::tcp_listener, listener), os::trigger::level)
                             : poller_.add(l->fd(), token_of(source::udp_listener, listener), os::trigger::edge_input);
    if (watched)
        return;
    listeners_.remove(name); // peers are refused, in the place of waiting for ever
    ctx_.report(report::event_kind::listener_failed, now_, {}, watched.error().value());
    wake_reader();
}

/// Like the tap: who comes alone costs one call, and a crowd is taken in growing numbers.
void worker::accept_from(const os::event& e, instant now) noexcept
{
    const auto* l = listeners_.find(e.what.id);
    const auto most = turn_ == accept_turn_ + 1 ? accepts_ : 1;
    accept_turn_ = turn_;
    accepts_ = std::min(2 * most, most_accepts);
    for (std::size_t i = 0; l != nullptr && i < most; ++i) {
        auto connection = os::accept(l->fd());
        if (!connection && os::is_exhausted(connection.error())) {
            shed(l->fd());
            continue;
        }
        if (!connection) {
            accepts_ = std::max<std::size_t>(i, 1);
            return;
        }
        if (!pass_on(*connection, l->name))
            take_connection(std::move(*connection), l->name, now);
    }
}

void worker::take_connection(os::accepted connection, const listener_name& through, instant now) noexcept
{
    if (is_spliced(ctx_.config, ctx_.rule_of(through), through, connection.peer))
        return splice_.from_listener(std::move(connection), through, now);
    if (!ctx_.config.splice_only)
        return tcp_.from_peer(std::move(connection), through, now);
    counters_.add(report::counter::splice_refused);
    os::reset_on_close(connection.fd.get());
}

/// No descriptor is left for the connection that waits, which would wake us for ever: it is taken with the spare one, and reset.
void worker::shed(int listener) noexcept
{
    counters_.drop(drop_reason::socket_failed);
    spare_ = {};
    if (const auto connection = os::accept(listener))
        os::reset_on_close(connection->fd.get());
    set_aside();
}

/// A descriptor for when there are no others left.
void worker::set_aside() noexcept
{
    if (auto spare = os::udp_socket(ip_family::ipv4))
        spare_ = std::move(*spare);
}

instant worker::next_deadline(instant now) const noexcept
{
    if (tcp_.has_ready() || udp_.has_ready() || echo_.has_ready() || splice_.has_ready() || udp_splice_.has_ready() ||
        mail_left_ || ctx_.tap.has_more())
        return now;
    return std::min({tcp_.next_deadline(), udp_.next_deadline(), echo_.next_deadline(), ingress_.next_deadline(),
                     splice_.next_deadline(), udp_splice_.next_deadline(), look_again_});
}

} // namespace tapioca
