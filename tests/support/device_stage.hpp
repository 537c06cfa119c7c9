// The owner of a device: turns without a worker, and what the device said in them.
#pragma once

#include "daemon/os/clock.hpp"
#include "daemon/os/event_fd.hpp"
#include "daemon/tap/tap_device.hpp"
#include "tests/support/octets.hpp"

#include <fcntl.h>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace tapioca::test {

class device_stage : private device_owner {
public:
    explicit device_stage(std::size_t workers = 1) : group{std::vector<int>(workers, -1)} {}
    ~device_stage()
    {
        if (limit_)
            ::setrlimit(RLIMIT_NOFILE, &*limit_);
    }
    device_stage(const device_stage&) = delete;
    device_stage& operator=(const device_stage&) = delete;

    [[nodiscard]] device_place place(unsigned worker = 0) { return {poller, *this, counters, group, worker}; }

    /// Takes what is ready, and waits for nothing.
    void turn(tap_device& device)
    {
        const bool left = device.has_more();
        const auto now = os::now();
        for (const auto& e : poller.wait(now, now))
            device.take(e, now);
        if (left)
            device.read(now);
        device.end_turn(now);
    }

    /// From now on no new descriptor is to be had, but for the spare one and what free_a_descriptor() gives back.
    void fill_descriptors()
    {
        limit_.emplace();
        ::getrlimit(RLIMIT_NOFILE, &*limit_);
        auto low = *limit_;
        low.rlim_cur = 128;
        ::setrlimit(RLIMIT_NOFILE, &low);
        while (true) {
            os::unique_fd one{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
            if (!one)
                break;
            fillers_.push_back(std::move(one));
        }
    }
    void free_a_descriptor() { fillers_.pop_back(); }

    os::poller poller;
    report::counters counters;
    device_group group;
    os::unique_fd spare;
    int greetings = 0;
    std::vector<report::event_kind> told;
    std::vector<std::size_t> lengths; ///< of the frames that came
    std::vector<std::size_t> batches; ///< how many came at once

private:
    void take_frames(std::span<const rx_frame> frames, instant) noexcept override
    {
        batches.push_back(frames.size());
        for (const auto& f : frames)
            lengths.push_back(f.octets.size());
    }
    void tell(report::event_kind what, int, instant, const char*) noexcept override { told.push_back(what); }
    void greet_guest() noexcept override { ++greetings; }
    void keep_spare_fd() noexcept override
    {
        if (!spare)
            spare = os::unique_fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    }
    void give_up_spare_fd() noexcept override { spare.reset(); }

    std::optional<rlimit> limit_;
    std::vector<os::unique_fd> fillers_;
};

} // namespace tapioca::test
