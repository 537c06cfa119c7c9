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
        const auto current = static_cast<std::uint16_t>(now.time_since_epoch() / period);
        if (current != period_) {
            period_ = current;
            sent_ = 0;
        }
        if (sent_ == most)
            return false;
        ++sent_;
        return true;
    }

private:
    std::uint16_t period_ = 0;
    std::uint8_t sent_ = 0;
};

} // namespace tapioca::tcp
