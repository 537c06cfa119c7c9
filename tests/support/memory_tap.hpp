// A tap in memory: frames are put in for the translator, and taken out that it sent.
#pragma once

#include "daemon/tap/tap_queue.hpp"
#include "proto/frame/emit.hpp"
#include "tests/support/allocations.hpp"

#include <array>
#include <deque>
#include <vector>

namespace tapioca::test {

struct memory_frame {
    wire::virtio_net_header vnet;
    std::vector<octet> octets;
};

class memory_tap final : public tap_queue {
public:
    static constexpr std::size_t most_frames = 16;

    explicit memory_tap(offloads offered) : offered_(offered), slot_(tap_headroom + largest_body) {}

    std::deque<memory_frame> from_guest, to_guest;
    int refusals = 0; ///< how many of the next frames towards the guest are refused

    enum class when_full : std::uint8_t { refuses, says_so }; ///< as an interface does, or as a stream does
    when_full full = when_full::refuses;
    std::size_t room = SIZE_MAX; ///< octets towards the guest that may wait here
    bool closed = false;         ///< no room at all: it says so, and takes nothing

    [[nodiscard]] offloads offload() const noexcept override { return offered_; }
    [[nodiscard]] int descriptor() const noexcept override { return -1; }

    [[nodiscard]] std::span<const rx_frame> receive(std::size_t most) noexcept override
    {
        const uncounted_allocations quiet;
        std::size_t count = 0;
        for (; count < std::min(most, most_frames) && !from_guest.empty(); ++count) {
            held_[count] = std::move(from_guest.front());
            from_guest.pop_front();
            frames_[count] = {held_[count].vnet, held_[count].octets};
        }
        return {frames_.data(), count};
    }

    [[nodiscard]] bool accepts_data() const noexcept override
    {
        return !closed && (full == when_full::refuses || waiting() < room);
    }

    [[nodiscard]] tx_slot acquire() noexcept override { return tx_slot{slot_}.subspan(tap_headroom, largest_body); }

    bool commit(const wire::virtio_net_header& vnet, std::size_t headers, std::size_t payload) noexcept override
    {
        return send(vnet, acquire().data(), headers, payload);
    }

    bool send(const wire::virtio_net_header& vnet, octet* payload, std::size_t headers, std::size_t length) noexcept override
    {
        const uncounted_allocations quiet;
        if (closed)
            return false;
        if (refusals > 0) {
            --refusals;
            return false;
        }
        if (full == when_full::refuses && headers + length > room - std::min(room, waiting()))
            return false;
        const bytes_view octets{payload - headers, headers + length};
        to_guest.push_back({vnet, {octets.begin(), octets.end()}});
        return true;
    }

    void flush() noexcept override {}

private:
    [[nodiscard]] std::size_t waiting() const
    {
        std::size_t octets = 0;
        for (const auto& frame : to_guest)
            octets += frame.octets.size();
        return octets;
    }

    offloads offered_;
    std::vector<octet> slot_;
    std::array<memory_frame, most_frames> held_;
    std::array<rx_frame, most_frames> frames_{};
};

} // namespace tapioca::test
