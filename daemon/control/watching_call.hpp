// A call that tells what happens for as long as its caller stays.
#pragma once

#include "daemon/control/event_stream.hpp"
#include "daemon/control/running_call.hpp"

#include <memory>

namespace tapioca {

/// `events` outlives it.
[[nodiscard]] std::unique_ptr<running_call> begin_watching(event_stream& events, topic_set topics);

} // namespace tapioca
