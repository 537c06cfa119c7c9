// A queue of a tap device with its life: it is there from the start, may be removed with its namespace, and never comes back. Any
// worker can read the queue of any other one.
#pragma once

#include "daemon/tap/tap_device.hpp"
#include "daemon/tap/tun_queue.hpp"

namespace tapioca {

class tun_device final : public tap_device {
public:
    tun_device(tun_descriptor opened, const device_place& place);

    [[nodiscard]] tap_queue& queue() noexcept override { return queue_; }
    void start() override;
    void take(const os::event& e, instant now) noexcept override;
    void end_turn(instant) noexcept override { ++turn_; }
    [[nodiscard]] bool has_carrier() const noexcept override { return !removed_; }
    [[nodiscard]] bool can_be_shared() const noexcept override { return true; }
    [[nodiscard]] bool watch_queue(unsigned whose) noexcept override;
    void leave_queue(unsigned whose) noexcept override { place_.poller.remove(place_.group.queues[whose]); }

private:
    struct visits {
        std::size_t reads = 1;  ///< frames that the next visit tries to read, if it comes in the next turn
        std::uint64_t turn = 0; ///< the last one that paid a visit
    };

    tun_queue queue_;
    std::vector<visits> visits_; ///< to the queue of each worker
    std::uint64_t turn_ = 1;     ///< counts turns
    bool removed_ = false;
};

} // namespace tapioca
