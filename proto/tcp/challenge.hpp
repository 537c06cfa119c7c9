// How often one connection answers segments that do not fit it (RFC 5961 section 7): challenge ACKs, and the answers to segments
// outside the window that carry nothing. Without a bound two ends that disagree would tell each other for ever, and a flood would
// make us send as much as it sends.
//
// The limit is the connection's own: a shared one tells whoever can use it up about connections of others (CVE-2016-5696).
#pragma once

#include "proto/base/time.hpp"

#include <cstdint>

namespace tapioca::tcp {

class challenge_limit {
public:
    static constexpr unsigned most = 10; ///< in each period; the numbers are the RFC's suggestion
    static constexpr duration period = std::chrono::seconds{5};

    [[nodiscard]] bool allow(instant now) noexcept
    {
        const auto current = static_cast<std::uint16_t>(now.time_since_epoch() / period << sent_bits);
        if (period_and_sent_ >> sent_bits != current >> sent_bits)
            period_and_sent_ = current;
        if (period_and_sent_ - current == most)
            return false;
        ++period_and_sent_;
        return true;
    }

private:
    static constexpr int sent_bits = 4;
    static_assert(most < 1U << sent_bits);
    std::uint16_t period_and_sent_ = 0; ///< one of 4096 periods, which take five hours
};

} // namespace tapioca::tcp
