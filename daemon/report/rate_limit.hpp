// How often one call site may speak: five messages a second, then a word that more are suppressed, and how many when it may speak
// again.
#pragma once

#include "proto/base/time.hpp"

#include <cstdint>

namespace tapioca::report {

class rate_limit {
public:
    struct verdict {
        enum { say, say_and_announce_silence, suppress } what;
        std::uint64_t suppressed; ///< since the last window, to be told before the message
    };

    verdict ask(instant now) noexcept;

private:
    static constexpr unsigned messages_per_window = 5;
    static constexpr duration window = std::chrono::seconds{1};

    bool started_ = false;
    instant window_start_{};
    unsigned said_ = 0;
    std::uint64_t suppressed_ = 0;
};

} // namespace tapioca::report
