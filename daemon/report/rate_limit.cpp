#include "daemon/report/rate_limit.hpp"

#include <utility>

namespace tapioca::report {

rate_limit::verdict rate_limit::ask(instant now) noexcept
{
    std::uint64_t suppressed = 0;
    if (!started_ || now - window_start_ >= window) {
        started_ = true;
        window_start_ = now;
        said_ = 0;
        suppressed = std::exchange(suppressed_, 0);
    }
    if (said_ == messages_per_window) {
        ++suppressed_;
        return {verdict::suppress, 0};
    }
    ++said_;
    return {said_ == messages_per_window ? verdict::say_and_announce_silence : verdict::say, suppressed};
}

} // namespace tapioca::report
