// A device as one worker has it: the queue that moves its frames, and the life of that queue. Clients of a socket come and go, a
// tap may be removed, the queue of an idle worker is read by another one. A device watches its descriptors in the worker's
// poller, and tells its owner what comes of their events.
#pragma once

#include "daemon/os/poller.hpp"
#include "daemon/report/counters.hpp"
#include "daemon/report/event_ring.hpp"
#include "daemon/report/event_source.hpp"
#include "daemon/tap/link_in_use.hpp"
#include "daemon/tap/tap_queue.hpp"

#include <memory>
#include <vector>

namespace tapioca {

/// Whom a device serves: a worker, or a test. It is called by the device's start(), take(), read() and end_turn() alone.
class device_owner {
public:
    /// At most tap_queue::most_frames, valid during the call.
    virtual void take_frames(std::span<const rx_frame> frames, instant now) noexcept = 0;
    /// Something for the log; client_gone also means that a guest is there no more.
    /// `words` are a part of the program, and say more.
    virtual void tell(report::event_kind what, int detail, instant now, const char* words = nullptr) noexcept = 0;
    /// A guest has come of which nothing is known. Its system talks only when it has a reason to: it is to be given one.
    virtual void greet_guest() noexcept = 0;
    /// A descriptor is set aside, or given up for the device, which needs one more than anybody.
    virtual void keep_spare_fd() noexcept = 0;
    virtual void give_up_spare_fd() noexcept = 0;

protected:
    ~device_owner() = default;
};

class vhost_link;

/// What the devices of all workers know of each other.
struct device_group {
    std::vector<int> queues; ///< of each worker, if the others can read it; -1: they cannot
    std::shared_ptr<vhost_link> vhost = {};
};

/// Where a device stands. All of it outlives the device.
struct device_place {
    os::poller& poller;
    device_owner& owner;
    report::counters& counters;
    device_group& group;
    unsigned worker = 0;
};

class tap_device {
public:
    explicit tap_device(const device_place& place) noexcept : place_(place) {}
    virtual ~tap_device() = default;
    tap_device(const tap_device&) = delete;
    tap_device& operator=(const tap_device&) = delete;

    /// The same queue as long as the device lives, also when clients change.
    [[nodiscard]] virtual tap_queue& queue() noexcept = 0;

    /// Begins to watch; once. Throws std::system_error.
    virtual void start() {}

    /// The wait of a turn is over. From here to end_turn() what the device shares with other workers stays as it is.
    virtual void begin_turn() noexcept {}

    /// An event of one of its descriptors: source::tap or source::clients.
    virtual void take(const os::event&, instant) noexcept {}

    /// Whether there may be frames without a new event. Then the next turn does not wait for one, and calls read().
    [[nodiscard]] virtual bool has_more() const noexcept { return false; }
    virtual void read(instant) noexcept {}

    /// The last thing in a turn: no frame is referred to any more, so clients may come and go.
    virtual void end_turn(instant) noexcept {}

    /// Whether there may be a guest at the other end.
    [[nodiscard]] virtual bool has_carrier() const noexcept { return true; }

    /// Whether what is sent by this queue comes to a guest.
    [[nodiscard]] virtual bool reaches_guest() noexcept { return true; }

    /// Whether the guest chooses by which queue it speaks of a flow, whatever we do.
    [[nodiscard]] virtual bool guest_steers() const noexcept { return false; }

    // While the worker stands still.
    /// What of the link cannot be known from the start. Without octets: nothing.
    [[nodiscard]] virtual link_in_use give() { return {}; }
    /// Goes on where another process has stopped; a descriptor that it takes is taken out of `passed`. Why it cannot; empty: it
    /// does.
    [[nodiscard]] virtual std::string_view go_on(const migrate::link_state& /*from*/, std::span<os::unique_fd> /*passed*/)
    {
        return "there is no such link";
    }

    /// Accepts no further client.
    virtual void stop_listening() noexcept {}

    /// Whether another worker may read the queue. If so, it is not watched at the start, except by worker 0.
    [[nodiscard]] virtual bool can_be_shared() const noexcept { return false; }
    /// Reads the queue of that worker, ours or one that is left to us, from now on or no more. False: it cannot be watched now.
    [[nodiscard]] virtual bool watch_queue(unsigned /*whose*/) noexcept { return false; }
    virtual void leave_queue(unsigned /*whose*/) noexcept {}

protected:
    const device_place place_;
};

} // namespace tapioca
