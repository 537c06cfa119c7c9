// Flows whose datagrams come fast are looked at now and then instead of waking us: a wake-up costs the sender more than the
// datagram itself, and finds a few of them where a look finds a whole super-frame. After looks that found nothing worth the
// trouble for a millisecond, in which the sender may only have lost its processor, datagrams wake us again. Errors do so always.

#include "daemon/translate/limits.hpp"
#include "daemon/translate/udp_translator.hpp"

#include <algorithm>

namespace tapioca {
namespace {

/// Those who wait for each answer before they ask again never have so many under way.
constexpr std::size_t worth_polling = 8, worth_going_on = 4;
constexpr std::uint8_t most_lean_looks = 16; ///< one after the other

} // namespace

/// The socket was read until it was empty, and gave so many datagrams.
void udp_translator::pace(udp_flow& f, std::size_t datagrams, instant now) noexcept
{
    const bool fast = f.rate.add(now, datagrams);
    if (!f.polled) {
        if (fast && datagrams >= worth_polling)
            begin_polling(f, now);
        return;
    }
    f.lean_looks = datagrams >= worth_going_on ? std::uint8_t{0} : static_cast<std::uint8_t>(f.lean_looks + 1);
    if (f.lean_looks < most_lean_looks)
        return;
    f.lean_looks = 0;
    if (ctx_.poller.change(f.fd, token_of(f), os::trigger::edge_input)) // what came meanwhile is told at once
        forget_polled(f);
}

void udp_translator::begin_polling(udp_flow& f, instant now) noexcept
{
    if (polled_.full() || !ctx_.poller.change(f.fd, token_of(f), os::trigger::edge_errors))
        return;
    if (polled_.empty())
        poll_at_ = now + limits::udp_poll_interval;
    polled_.push_back(flows_.slot_of(f));
    f.polled = true;
}

void udp_translator::forget_polled(udp_flow& f) noexcept
{
    if (!f.polled)
        return;
    f.polled = false;
    polled_.erase(static_cast<std::size_t>(std::find(polled_.begin(), polled_.end(), flows_.slot_of(f)) - polled_.begin()));
}

void udp_translator::poll(instant now) noexcept
{
    if (polled_.empty() || now < poll_at_ || !ctx_.tap.has_room())
        return;
    poll_at_ = now + limits::udp_poll_interval;
    for (auto i = polled_.size(); i-- != 0;) // a flow may leave the list
        if (auto* f = flows_.at_slot(polled_[i]); !f->ready_listed)
            pump(*f, now);
}

} // namespace tapioca
