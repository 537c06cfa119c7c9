// The end of a worker. No new connection is accepted, but turns go on while there are octets that were acknowledged and that a
// socket has not taken yet, for as long as the user allows. The guest is heard meanwhile: the processes that filled its own
// queues may have ended, while its kernel goes on sending. As any worker may have the frames of any flow, all of them stay until
// none has anything left to do. What is not complete then is reset.

#include "daemon/loop/worker.hpp"
#include "daemon/os/clock.hpp"

namespace tapioca {
namespace {

constexpr duration look = std::chrono::milliseconds{10}; ///< at what waits for a socket

/// How long a guest is listened to that has open connections, of which nothing waits for a socket: until it has been quiet for so
/// long, or has gone on speaking for so long.
struct listening {
    duration quiet, speaking;
};
constexpr listening to_the_living{std::chrono::milliseconds{20}, std::chrono::milliseconds{100}};
/// It says no more than the rest of its queues; a lost segment is repeated after 200 ms.
constexpr listening to_the_ended{std::chrono::milliseconds{300}, duration::max()};

constexpr std::uint64_t bit_of(unsigned worker) noexcept { return std::uint64_t{1} << worker; }

} // namespace

/// Says whether this worker has something to do; true if any of them has.
bool worker::stays_for(bool something) noexcept
{
    const auto self = bit_of(self_);
    if (something)
        return shared_.draining.fetch_or(self) | self;
    const auto before = shared_.draining.fetch_and(~self);
    if (before == self) // the last one
        for (auto& m : shared_.mailboxes)
            m.ring();
    return (before & ~self) != 0;
}

void worker::drain() noexcept
{
    device_->stop_listening();
    const auto patience = shared_.guest_has_ended.load(std::memory_order_relaxed) ? to_the_ended : to_the_living;
    auto owed = os::now(), heard = owed, looked = instant{}, until = owed;
    while (now_ < shared_.drain_until.load(std::memory_order_relaxed)) {
        const bool busy = turn(until);
        until = busy ? now_ : now_ + look;
        if (busy)
            heard = now_;
        if (busy && now_ - looked < look)
            continue;
        looked = now_;
        const bool guest = device_->has_carrier();
        const auto left = plane_.left_over(guest);
        if (left.octets)
            owed = now_;
        // While there is news there may be an end among it.
        const bool listens = busy || (left.open && guest && now_ - heard < patience.quiet);
        if (!stays_for(left.octets || (listens && now_ - owed < patience.speaking)))
            break;
    }
    if (audit_)
        plane_.audit_what_is_left(now_);
    shared_.reset_at_end.fetch_add(plane_.reset_incomplete(), std::memory_order_relaxed);
    shared_.ended.fetch_add(1);
    os::signal(shared_.events_bell.get());
}

} // namespace tapioca
