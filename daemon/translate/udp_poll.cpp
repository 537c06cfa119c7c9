// Sockets with a high rate of datagrams are polled by time instead of by epoll events: a wake-up costs the sender more than the
// datagram itself, and finds a few datagrams where a poll finds a whole super-frame. When polls have found little for about a
// millisecond (less may only mean that the sender was not scheduled), events are used again. Errors always cause events.

#include "daemon/translate/limits.hpp"
#include "daemon/translate/udp_translator.hpp"

#include <algorithm>

namespace tapioca {
namespace {

/// Request-and-response protocols never have so many datagrams in flight.
constexpr std::size_t worth_polling = 8, worth_going_on = 4;
constexpr std::uint8_t most_lean_looks = 16; ///< one after the other

} // namespace

/// The socket was read until it was empty, and gave so many datagrams.
void udp_translator::pace(udp_port& p, std::size_t datagrams, instant now) noexcept
{
    const bool fast = p.rate.add(now, datagrams);
    if (!p.polled) {
        if (fast && datagrams >= worth_polling && p.flows != 0)
            begin_polling(p, now);
        return;
    }
    p.lean_looks = datagrams >= worth_going_on ? std::uint8_t{0} : static_cast<std::uint8_t>(p.lean_looks + 1);
    if (p.lean_looks < most_lean_looks)
        return;
    p.lean_looks = 0;
    if (ctx_.poller.change(descriptor_of(p), token_of(p), os::trigger::edge_input)) // what came meanwhile is told at once
        forget_polled(p);
}

void udp_translator::begin_polling(udp_port& p, instant now) noexcept
{
    if (polled_.full() || !ctx_.poller.change(descriptor_of(p), token_of(p), os::trigger::edge_errors))
        return;
    if (polled_.empty())
        poll_at_ = now + limits::udp_poll_interval;
    polled_.push_back(ports_.slot_of(p));
    p.polled = true;
}

void udp_translator::forget_polled(udp_port& p) noexcept
{
    if (!p.polled)
        return;
    p.polled = false;
    polled_.erase(static_cast<std::size_t>(std::find(polled_.begin(), polled_.end(), ports_.slot_of(p)) - polled_.begin()));
}

void udp_translator::poll(instant now) noexcept
{
    if (polled_.empty() || now < poll_at_ || !ctx_.tap.accepts_data())
        return;
    poll_at_ = now + limits::udp_poll_interval;
    for (auto i = polled_.size(); i-- != 0;) // a port may leave the list
        if (auto* p = ports_.at_slot(polled_[i]); !p->ready_listed)
            pump(*p, now);
}

} // namespace tapioca
