// What has been used of an egress policy's limits, by all workers together. The limits themselves are the policy's, and may be
// others from one call to the next; what was used stays.
//
// The rate is a token bucket that is kept as one number, the moment until which all octets are paid for (the virtual scheduling
// algorithm of ITU-T I.371). Octets pass while that is no further away than the bucket is deep, however many they are: what they
// are too many is paid for afterwards. So the average is exact, whatever the size of what passes, and however late anybody looks.
#pragma once

#include "proto/policy/egress_policy.hpp"

#include <atomic>

namespace tapioca {

class egress_meter {
public:
    /// How far ahead of the rate the guest may be: what a timer that is late may make up for.
    static constexpr duration depth = std::chrono::milliseconds{10};
    /// Of datagrams, which cannot wait: beside the largest segment of a connection that uses up the rate they have this much, and
    /// connections wait for it afterwards.
    static constexpr duration depth_of_datagrams = std::chrono::milliseconds{50};
    static constexpr std::size_t largest_segment = 65536;

    /// When octets may pass again, as far as the rate is concerned: now, if that is in the past.
    [[nodiscard]] instant opens_at(const egress_limits& l, duration ahead = depth) const noexcept
    {
        return l.octets_per_second == 0 ? instant{} : instant{duration{paid_until_.load(std::memory_order_relaxed)} - ahead};
    }
    /// Likewise of datagrams.
    [[nodiscard]] instant opens_to_datagrams_at(const egress_limits& l) const noexcept
    {
        return l.octets_per_second == 0 ? instant{} : opens_at(l, depth_of_datagrams + duration{time_of(l, largest_segment)});
    }
    /// Octets have passed. At most 2^30.
    void charge(const egress_limits& l, std::size_t octets, instant now) noexcept
    {
        if (l.octets_per_second != 0)
            pay(time_of(l, octets), now.time_since_epoch().count());
        if (l.quota != 0) {
            begin_period(l, now);
            used_.fetch_add(octets, std::memory_order_relaxed);
        }
    }

    /// Whether the quota of the present period has been used up.
    [[nodiscard]] bool is_used_up(const egress_limits& l, instant now) noexcept
    {
        if (l.quota == 0)
            return false;
        begin_period(l, now);
        return used_.load(std::memory_order_relaxed) >= l.quota;
    }
    /// When that will be over; while there is no quota it means nothing.
    [[nodiscard]] instant period_end() const noexcept { return instant{duration{period_end_.load(std::memory_order_relaxed)}}; }
    [[nodiscard]] std::uint64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }

private:
    using ticks = duration::rep;

    /// Rounded up: the rate is never exceeded.
    static ticks time_of(const egress_limits& l, std::size_t octets) noexcept
    {
        constexpr std::uint64_t second = 1'000'000'000;
        return static_cast<ticks>((octets * second + l.octets_per_second - 1) / l.octets_per_second);
    }
    void pay(ticks time, ticks now) noexcept
    {
        auto until = paid_until_.load(std::memory_order_relaxed);
        while (!paid_until_.compare_exchange_weak(until, std::max(until, now) + time, std::memory_order_relaxed)) {
        }
    }
    /// The first one begins with the first octet, each other one where the one before ended. One that is longer than the present
    /// policy's is cut.
    void begin_period(const egress_limits& l, instant now) noexcept
    {
        const auto at = now.time_since_epoch().count(), period = l.quota_period.count();
        auto end = period_end_.load(std::memory_order_relaxed);
        while (at >= end || end - at > period) {
            const bool is_over = at >= end;
            const auto next = !is_over || end == 0 ? at + period : end + ((at - end) / period + 1) * period;
            if (!period_end_.compare_exchange_weak(end, next, std::memory_order_relaxed))
                continue;
            if (is_over)
                used_.store(0, std::memory_order_relaxed);
            return;
        }
    }

    std::atomic<ticks> paid_until_ = 0, period_end_ = 0;
    std::atomic<std::uint64_t> used_ = 0;
};

} // namespace tapioca
