// Who is shown the frames that pass a queue.
#pragma once

#include "proto/base/bytes.hpp"
#include "proto/capture/pcapng.hpp"

#include <optional>

namespace tapioca {

/// A frame while it is there: a sink copies what it wants to keep.
struct seen_frame {
    pcapng::direction way = pcapng::direction::in;
    scattered_view octets;                   ///< all of it
    std::optional<drop_reason> dropped = {}; ///< if so, it was shown before, without
    std::size_t among = 1; ///< frames that were dealt with together, of which one was dropped: perhaps another one than this
};

class frame_sink {
public:
    virtual ~frame_sink() = default;
    virtual void take(const seen_frame& frame) noexcept = 0;
    /// What was put off goes out.
    virtual void end_turn() noexcept {}
};

} // namespace tapioca
