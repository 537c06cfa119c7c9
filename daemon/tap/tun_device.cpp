#include "daemon/tap/tun_device.hpp"

#include <algorithm>
#include <cerrno>

namespace tapioca {

tun_device::tun_device(tun_descriptor opened, const device_place& place)
    : tap_device(place), queue_(std::move(opened), place.counters), visits_(place.group.queues.size())
{
    place.group.queues[place.worker] = queue_.descriptor();
}

void tun_device::start()
{
    if (place_.worker == 0)
        os::require(place_.poller.add(queue_.descriptor(), token_of(source::tap), os::trigger::level),
                    "Couldn't watch the tap device");
}

bool tun_device::watch_queue(unsigned whose) noexcept
{
    return place_.poller.add(place_.group.queues[whose], token_of(source::tap, whose), os::trigger::level).has_value();
}

/// A lone frame costs one read and no EAGAIN; while the tap has frames turn after turn, the batch doubles.
void tun_device::take(const os::event& e, instant now) noexcept
{
    const auto whose = e.what.id;
    if (e.error) { // the guest has removed the device, which does not come back
        leave_queue(whose);
        removed_ = true;
        return place_.owner.tell(report::event_kind::tap_failed, ENODEV, now);
    }
    auto& visit = visits_[whose];
    const auto reads = turn_ == visit.turn + 1 ? visit.reads : 1;
    const auto frames = queue_.receive_from(place_.group.queues[whose], reads);
    visit.reads = frames.size() < reads ? std::max<std::size_t>(frames.size(), 1) : std::min(2 * reads, tap_queue::most_frames);
    visit.turn = turn_;
    place_.owner.take_frames(frames, now);
}

} // namespace tapioca
