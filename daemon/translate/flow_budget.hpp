// Limits on flows: how many of each kind there may be in all workers, and how many new ones per second.
//
// A flow costs a descriptor or two, so each kind has a share of the descriptors, and peers have less of it than the guest: a
// flood of one kind, or from outside, leaves descriptors for the others. The newest flow is refused. Checked once per flow, not
// per frame.
#pragma once

#include "proto/base/result.hpp"
#include "proto/base/time.hpp"
#include "proto/flow/head.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

namespace tapioca {

/// TCP and UDP past the tap have a share together.
enum class flow_share : std::uint8_t { tcp, udp, echo, spliced, count_ };

class flow_budget {
public:
    static constexpr std::uint32_t unlimited = 0xffffffff;
    static constexpr std::size_t share_count = static_cast<std::size_t>(flow_share::count_);

    /// Limits on flows that exist at the same time.
    struct shares {
        std::uint32_t all = unlimited;
        std::array<std::uint32_t, share_count> of{unlimited, unlimited, unlimited, unlimited};
        std::array<std::uint32_t, share_count> of_peers{unlimited, unlimited, unlimited, unlimited}; ///< among these
        std::uint32_t new_in_a_second = unlimited;
    };

    flow_budget() noexcept = default;
    explicit flow_budget(const shares& s) noexcept
        : shares_(s), interval_(s.new_in_a_second == unlimited || s.new_in_a_second == 0 ? 0 : second / s.new_in_a_second)
    {
    }

    /// Reserves a flow, or says why it is refused.
    [[nodiscard]] std::optional<drop_reason> refuses(flow_share of, flow_origin origin, instant now) noexcept
    {
        const auto k = static_cast<std::size_t>(of);
        if (!take(all_, shares_.all))
            return drop_reason::flow_limit;
        if (!take(of_[k], shares_.of[k])) {
            give_back(all_);
            return drop_reason::flow_limit;
        }
        if (origin == flow_origin::peer && !take(of_peers_[k], shares_.of_peers[k])) {
            give_back(all_);
            give_back(of_[k]);
            return drop_reason::flow_limit;
        }
        if (interval_ == 0 || is_in_time(now.time_since_epoch().count()))
            return std::nullopt;
        release(of, origin);
        return drop_reason::new_flow_rate;
    }

    void release(flow_share of, flow_origin origin) noexcept
    {
        const auto k = static_cast<std::size_t>(of);
        give_back(all_);
        give_back(of_[k]);
        if (origin == flow_origin::peer)
            give_back(of_peers_[k]);
    }

    /// Whether the next one of the guest would be refused for their number.
    [[nodiscard]] bool is_full(flow_share of) const noexcept
    {
        return count(of) >= shares_.of[static_cast<std::size_t>(of)] || all_.load(std::memory_order_relaxed) >= shares_.all;
    }
    [[nodiscard]] std::uint32_t count(flow_share of) const noexcept
    {
        return of_[static_cast<std::size_t>(of)].load(std::memory_order_relaxed);
    }

    /// Of the guest, over the tap.
    [[nodiscard]] std::uint32_t count_of_guest() const noexcept
    {
        std::uint32_t count = 0;
        for (const auto share : {flow_share::tcp, flow_share::udp, flow_share::echo}) {
            const auto k = static_cast<std::size_t>(share);
            count += of_[k].load(std::memory_order_relaxed) - of_peers_[k].load(std::memory_order_relaxed);
        }
        return count;
    }

private:
    using number = std::atomic<std::uint32_t>;
    static constexpr std::int64_t second = 1'000'000'000;

    static bool take(number& n, std::uint32_t most) noexcept
    {
        if (n.fetch_add(1, std::memory_order_relaxed) < most)
            return true;
        give_back(n);
        return false;
    }
    static void give_back(number& n) noexcept { n.fetch_sub(1, std::memory_order_relaxed); }

    /// A token bucket that holds a second's worth, as one number: when it would be full again (the virtual scheduling algorithm
    /// of ITU-T I.371).
    bool is_in_time(std::int64_t now) noexcept
    {
        auto full_at = full_at_.load(std::memory_order_relaxed);
        for (;;) {
            const auto next = (full_at > now ? full_at : now) + interval_;
            if (next > now + second)
                return false;
            if (full_at_.compare_exchange_weak(full_at, next, std::memory_order_relaxed))
                return true;
        }
    }

    shares shares_;
    std::int64_t interval_ = 0; ///< nanoseconds between flows; 0: any number
    number all_ = 0;
    std::array<number, share_count> of_{}, of_peers_{};
    std::atomic<std::int64_t> full_at_ = 0;
};

} // namespace tapioca
