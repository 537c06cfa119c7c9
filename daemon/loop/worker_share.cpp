// How work is shared. While there is little of it, one thread does it best: a frame or a connection that changes hands costs two
// context switches, and threads that sleep less handle fewer frames at a time. So a worker whose own flows have nothing to do is
// idle: it stops polling its queue of the tap, and worker 0 reads that queue, too. The kernel still spreads what it cannot place
// (it remembers 4096 flows for three seconds; a thousand short connections a second fill that).
//
// A worker resumes polling when it is given something: a new connection, because another worker has more of those that are not
// small, or a frame of a flow of its own. All resume when one of them nearly fills a processor, and then everything is shared.

#include "daemon/loop/worker.hpp"
#include "daemon/os/clock.hpp"

#include <utility>

namespace tapioca {
namespace {

constexpr duration patience = std::chrono::milliseconds{100}; ///< without anything to do, before a worker is idle
constexpr duration measured_for = std::chrono::milliseconds{100};

constexpr std::uint64_t bit_of(std::size_t worker) noexcept { return std::uint64_t{1} << worker; }

} // namespace

/// The other worker that a new connection goes to, so that all have as many. Flows that are about to end do not count, nor do
/// small ones change hands as long as we can do without help.
std::optional<unsigned> worker::better_place(flow_origin origin, std::uint16_t port) noexcept
{
    if ((origin == flow_origin::guest && device_->guest_steers()) || (!is_crowded() && shared_.habits.are_small(origin, port)))
        return std::nullopt;
    unsigned fewest = self_;
    auto least = plane_.load();
    shared_.flow_counts[self_].store(least, std::memory_order_relaxed);
    for (unsigned i = 0; i < shared_.flow_counts.size(); ++i)
        if (const auto has = shared_.flow_counts[i].load(std::memory_order_relaxed); i != self_ && has < least) {
            fewest = i;
            least = has;
        }
    if (fewest == self_)
        return std::nullopt;
    shared_.flow_counts[fewest].fetch_add(1, std::memory_order_relaxed); // until it has counted for itself
    return fewest;
}

void worker::share_work(instant now) noexcept
{
    if (std::exchange(did_something_, false) && plane_.has_weight())
        useful_ = now;
    if (now - measured_ >= measured_for)
        measure_work(now);
    if (!device_->can_be_shared())
        return;
    if (self_ == 0)
        poll_for_idle();
    else
        stop_or_resume_polling(now);
}

/// A worker that fills a processor needs help, if there is any: where all processors are busy, no thread gets a whole one. Below
/// three eighths each, one of two can do it alone.
void worker::measure_work(instant now) noexcept
{
    const auto worked = os::thread_time();
    const auto share = (worked - worked_) * 16 / (now - measured_);
    worked_ = worked;
    measured_ = now;
    const bool is_set = (shared_.crowded.load(std::memory_order_relaxed) & bit_of(self_)) != 0;
    if (share >= 15 && !is_set) {
        shared_.crowded.fetch_or(bit_of(self_), std::memory_order_relaxed);
        bells_ |= bit_of(shared_.mailboxes.size()) - 1 - bit_of(self_);
    } else if (share < 6 && is_set) {
        shared_.crowded.fetch_and(~bit_of(self_), std::memory_order_relaxed);
    }
}

/// Worker 0: polls the queues of idle workers, and leaves those of workers that have resumed.
void worker::poll_for_idle() noexcept
{
    if (self_ != 0)
        return;
    for (std::uint32_t i = 1; i < shared_.idle.size(); ++i) {
        const bool idle = shared_.idle[i].load(std::memory_order_acquire);
        if (idle == ((reads_for_ & bit_of(i)) != 0))
            continue;
        if (!idle)
            device_->leave_queue(i);
        else if (!device_->watch_queue(i))
            continue; // tried again in the next turn
        reads_for_ ^= bit_of(i);
    }
}

/// Any other worker.
void worker::stop_or_resume_polling(instant now) noexcept
{
    auto& idle = shared_.idle[self_];
    const bool needed = now - useful_ < patience || is_crowded();
    if (idle.load(std::memory_order_relaxed)) {
        if (!needed || !device_->watch_queue(self_))
            return;
        idle.store(false, std::memory_order_release);
        look_again_ = now + patience;
    } else if (now >= look_again_) {
        look_again_ = now + patience;
        if (needed)
            return;
        device_->leave_queue(self_);
        idle.store(true, std::memory_order_release);
        look_again_ = instant::max();
        bells_ |= bit_of(0);
    }
}

} // namespace tapioca
