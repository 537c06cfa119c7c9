#include "daemon/loop/worker.hpp"

#include "daemon/os/clock.hpp"
#include "daemon/os/event_fd.hpp"
#include "daemon/os/process.hpp"

#include <algorithm>

namespace tapioca {
namespace {

constexpr os::token token_of(source kind, std::uint32_t id = 0) noexcept { return {static_cast<std::uint8_t>(kind), id}; }

constexpr int accepts_per_turn = 16;

void require(const os::result<void>& r, const char* what)
{
    if (!r)
        throw std::system_error(r.error().value(), std::generic_category(), what);
}

} // namespace

worker::worker(const plane_config& config, guest_link& guest, tun_descriptor tap, std::vector<listening_socket> listeners)
    : tap_(std::move(tap), counters_), ctx_{config, tap_, poller_, counters_, events_, guest},
      tcp_(ctx_, tcp_translator::most_flows, os::now()), ingress_(ctx_, tcp_), listeners_(std::move(listeners)), stop_(os::make_event_fd()),
      now_(os::now())
{
    require(poller_.add(tap_.descriptor(), token_of(source::tap), os::trigger::level), "Couldn't watch the tap device");
    require(poller_.add(stop_.get(), token_of(source::stop), os::trigger::level), "Couldn't watch an event descriptor");
    for (std::uint32_t i = 0; i < listeners_.size(); ++i)
        require(poller_.add(listeners_[i].fd.get(), token_of(source::tcp_listener, i), os::trigger::level), "Couldn't watch a listening socket");
}

worker::~worker() { stop(); }

void worker::start()
{
    thread_ = std::thread{[this] { run(); }};
}

void worker::stop() noexcept
{
    if (!thread_.joinable())
        return;
    stopping_.store(true, std::memory_order_relaxed);
    os::signal(stop_.get());
    thread_.join();
}

void worker::run() noexcept
{
    os::block_all_signals();
    while (!stopping_.load(std::memory_order_relaxed))
        turn();
}

void worker::turn() noexcept
{
    const auto ready = poller_.wait(now_, next_deadline(now_)); // sleep until something is ready, take what else is,
    now_ = os::now();
    for (const auto& event : ready)                             // let each flow do its work,
        dispatch(event, now_);
    tcp_.expire(now_);
    ingress_.expire(now_);
    tcp_.end_turn(now_); // then flush once
    tap_.flush();
    counters_.add(report::counter::turns);
}

void worker::dispatch(const os::event& e, instant now) noexcept
{
    switch (static_cast<source>(e.what.kind)) {
    case source::tap: return take_tap(now);
    case source::tcp_flow: return tcp_.from_socket({e.what.id}, e, now);
    case source::tcp_listener: return accept_from(e.what.id, now);
    case source::udp_flow:
    case source::echo_flow:
    case source::udp_listener:
    case source::mailbox:
    case source::stop: return;
    }
}

/// A lone frame costs one read and no EAGAIN; under load the batch doubles from turn to turn.
void worker::take_tap(instant now) noexcept
{
    const auto frames = tap_.receive(reads_);
    reads_ = frames.size() < reads_ ? std::max<std::size_t>(frames.size(), 1) : std::min(2 * reads_, tun_queue::most_frames);
    ingress_.process(frames, now);
}

void worker::accept_from(std::uint32_t listener, instant now) noexcept
{
    for (int i = 0; i < accepts_per_turn; ++i) {
        auto connection = os::accept(listeners_[listener].fd.get());
        if (!connection)
            return;
        tcp_.from_peer(std::move(*connection), listeners_[listener].port, now);
    }
}

instant worker::next_deadline(instant now) const noexcept
{
    if (tcp_.has_ready())
        return now;
    return std::min(tcp_.next_deadline(), ingress_.next_deadline());
}

} // namespace tapioca
