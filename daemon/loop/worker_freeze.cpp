// Workers that stand still between two turns, so that the control plane can look at and change everything that they have: for a
// process that takes our place.

#include "daemon/loop/worker.hpp"
#include "daemon/loop/worker_pool.hpp"
#include "daemon/os/clock.hpp"

namespace tapioca {

void worker::freeze() noexcept
{
    freezes_.store(true, std::memory_order_release);
    shared_.mailboxes[self_].ring();
}

/// The control plane has our part of the world in its hands between the two.
void worker::stand_still() noexcept
{
    frozen_.release();
    thawed_.acquire();
}

void worker::thaw() noexcept
{
    freezes_.store(false, std::memory_order_release);
    shared_.mailboxes[self_].ring(); // the first turn is due at once: it has what was listed meanwhile
    thawed_.release();
}

bool worker::settle() noexcept
{
    const auto taken = counters_.value(report::counter::frames_taken_over);
    did_something_ = false;
    device_->begin_turn();
    now_ = os::now();
    take_mail(now_);
    const bool moved = std::exchange(did_something_, false) || taken != counters_.value(report::counter::frames_taken_over);
    end_turn(now_);
    return moved || mail_left_;
}

void worker_pool::freeze() noexcept
{
    for (auto& w : workers_)
        w->freeze();
    for (auto& w : workers_)
        w->wait_frozen();
    constexpr int most_rounds = 64; // a frame goes from worker to worker 16 times at most
    bool more = workers_.size() > 1;
    for (int round = 0; more && round < most_rounds; ++round) {
        more = false;
        for (auto& w : workers_)
            more = w->settle() || more;
    }
}

void worker_pool::begin_frozen() noexcept
{
    for (auto& w : workers_)
        w->freeze();
}

void worker_pool::thaw() noexcept
{
    for (auto& w : workers_)
        w->thaw();
}

} // namespace tapioca
