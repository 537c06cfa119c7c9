// Captures of a worker. While there is none, the plane speaks to the device's queue itself, and nobody is told of drops.

#include "daemon/loop/worker.hpp"

#include <algorithm>

namespace tapioca {

void worker::show_frames_to(std::shared_ptr<frame_sink> sink) noexcept
{
    if (!captured_.add(std::move(sink)))
        return;
    ctx_.tap.lead_to(captured_);
    counters_.tell_drops(this);
}

void worker::end_showing(frame_capture& capture) noexcept
{
    captured_.remove(capture);
    capture.end();
    if (captured_.has_sinks())
        return;
    ctx_.tap.lead_to(device_->queue());
    counters_.tell_drops(nullptr);
}

/// The frame is the one that is being sent, or one of the guest's that are dealt with. What has no frame is only counted.
void worker::dropped(drop_reason why, std::uint64_t n) noexcept
{
    if (is_ordinary(why) || captured_.record_drop_of_sent(why))
        return;
    const auto packets = ctx_.at_hand;
    const auto among = n == packets.size() ? 1 : packets.size();
    for (const auto* each : packets.first(std::min<std::size_t>(n, packets.size())))
        if (each->whole != nullptr)
            captured_.record_drop(*each->whole, why, among);
}

} // namespace tapioca
