// When an acknowledgment may wait for data to carry it (RFC 9293 section 3.8.6.3, RFC 5681 section 4.2).
//
// An ACK of its own costs a frame, and most of all its way through the guest's stack; where requests and responses alternate, the
// response is as good. Only payloads that follow others which were answered at once may wait. The first one that is not ends
// that, and each time more answers are needed to begin again: a guest that holds back its next segment until the last is
// acknowledged (RFC 896) loses `patience` a few times, not once a segment.
#pragma once

#include "proto/base/time.hpp"

#include <algorithm>
#include <cstdint>

namespace tapioca::tcp {

class delayed_ack {
public:
    /// Far below any guest's retransmission timeout, and above a kernel's tick: to sleep for less, its timer is set anew each
    /// time, which costs more than the ACK where the clock is a hypervisor's.
    static constexpr duration patience = std::chrono::milliseconds{10};

    /// Octets came in order, less than a full segment of them. Whether their ACK waits.
    [[nodiscard]] bool on_payload(instant now) noexcept
    {
        const bool second = payload_at_.is_set(); // RFC 5681 section 4.2: at least every other segment
        payload_at_ = now;
        return waits_ = !second && answered_ == needed_;
    }
    /// Octets whose ACK must not wait.
    void on_other() noexcept
    {
        payload_at_ = {};
        waits_ = false;
    }
    /// A segment to the guest carries the number.
    void on_acknowledged() noexcept { waits_ = false; }
    /// Data goes to the guest.
    void on_answer(instant now) noexcept
    {
        if (!payload_at_.is_set())
            return;
        if (now >= payload_at_.at(now) + patience)
            answered_ = 0;
        else if (answered_ < needed_)
            ++answered_;
        payload_at_ = {};
        waits_ = false; // they carry it
    }
    /// When the ACK goes out alone.
    [[nodiscard]] instant due(instant now) const noexcept { return waits_ ? payload_at_.at(now) + patience : instant::max(); }
    void on_timeout() noexcept
    {
        on_other();
        answered_ = 0;
        needed_ = static_cast<std::uint8_t>(std::min(2 * needed_, most_needed));
    }

private:
    static constexpr int most_needed = 192;

    short_instant<std::chrono::microseconds> payload_at_; ///< when the octets came that nothing has answered yet
    std::uint8_t answered_ = 0, needed_ = 3;
    bool waits_ = false;
};

} // namespace tapioca::tcp
