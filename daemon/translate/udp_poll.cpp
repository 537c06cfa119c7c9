// Flows whose datagrams come fast are looked at now and then instead of waking us: a wake-up costs the sender more than the
// datagram itself, and finds a few of them where a look finds a whole super-frame. The first look that finds nothing, and a rate
// that falls, bring back the wake-ups. Errors wake us always.

#include "daemon/translate/limits.hpp"
#include "daemon/translate/udp_translator.hpp"

#include <algorithm>

namespace tapioca {
namespace {

/// Those who wait for each answer before they ask again never have so many under way.
constexpr std::size_t worth_polling = 8, worth_going_on = 4;

} // namespace

/// The socket was read until it was empty, and gave so many datagrams.
void udp_translator::pace(udp_flow& f, std::size_t datagrams, instant now) noexcept
{
    const bool fast = f.rate.add(now, datagrams) && datagrams >= (f.polled ? worth_going_on : worth_polling);
    if (fast == f.polled || (fast && polled_.full()))
        return;
    const auto trigger = fast ? os::trigger::edge_errors : os::trigger::edge_input;
    if (!ctx_.poller.change(f.fd, token_of(f), trigger)) // what came meanwhile is told at once
        return;
    if (!fast)
        return forget_polled(f);
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
    if (polled_.empty() || now < poll_at_)
        return;
    poll_at_ = now + limits::udp_poll_interval;
    for (auto i = polled_.size(); i-- != 0;) // a flow may leave the list
        if (auto* f = flows_.at_slot(polled_[i]); !f->ready_listed)
            pump(*f, now);
}

} // namespace tapioca
