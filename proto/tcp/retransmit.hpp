// The retransmission timer's arithmetic: RFC 6298, with a lower bound of 200 ms instead of a second, as the guest is microseconds
// away.
#pragma once

#include "proto/base/time.hpp"

#include <algorithm>
#include <cstdint>

namespace tapioca::tcp {

/// How a system repeats what is not answered: the host's sysctls.
struct retry_policy {
    std::uint8_t retries = 15;    ///< tcp_retries2: R2 of RFC 1122 section 4.2.3.5, for data
    std::uint8_t syn_retries = 6; ///< tcp_syn_retries
    std::uint8_t syn_linear_timeouts =
        4; ///< tcp_syn_linear_timeouts: so many come before intervals double, and are not among those
    duration rto_max = std::chrono::seconds{120}; ///< tcp_rto_max_ms
};

class retransmit_timeout {
public:
    static constexpr duration initial = std::chrono::seconds{1};
    static constexpr duration after_lost_syn = std::chrono::seconds{3}; ///< RFC 6298 section 5.7
    static constexpr duration shortest = std::chrono::milliseconds{200};
    static constexpr duration longest = std::chrono::seconds{120};

    [[nodiscard]] duration value() const noexcept { return std::chrono::microseconds{rto_us_}; }

    /// RFC 6298 section 2: a round trip that was measured on a segment sent once.
    void sample(duration rtt) noexcept
    {
        const auto r = static_cast<std::uint32_t>(std::clamp<std::int64_t>(rtt.count() / 1000, 1, 60'000'000));
        if (srtt_us_ == 0) {
            srtt_us_ = r;
            rttvar_us_ = r / 2;
        } else {
            const auto error = srtt_us_ > r ? srtt_us_ - r : r - srtt_us_;
            rttvar_us_ = rttvar_us_ - rttvar_us_ / 4 + error / 4;
            srtt_us_ = srtt_us_ - srtt_us_ / 8 + r / 8;
        }
        set(std::chrono::microseconds{srtt_us_} + std::chrono::microseconds{4 * rttvar_us_});
    }

    /// Without what was added by backing off: the guest is heard again.
    void restart() noexcept
    {
        set(srtt_us_ == 0 ? initial : std::chrono::microseconds{srtt_us_} + std::chrono::microseconds{4 * rttvar_us_});
    }

    void back_off(duration most) noexcept { set(std::min(2 * value(), most)); }
    void set(duration rto) noexcept
    {
        const auto bounded = std::clamp(rto, shortest, longest);
        rto_us_ = static_cast<std::uint32_t>(bounded / std::chrono::microseconds{1});
    }

private:
    std::uint32_t srtt_us_ = 0, rttvar_us_ = 0;
    std::uint32_t rto_us_ = 1'000'000;
};

} // namespace tapioca::tcp
