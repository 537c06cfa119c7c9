// What a worker's queue of frames is made from: opened at start, turned into a queue by the worker that owns it.
#pragma once

#include "daemon/tap/tun_queue.hpp"

#include <memory>
#include <variant>

namespace tapioca {

/// Nothing: the guest has no link, and only its loopback is served.
struct no_tap {};

using tap_source = std::variant<no_tap, tun_descriptor>;

[[nodiscard]] std::unique_ptr<tap_queue> make_queue(tap_source source, report::counters& counters);

} // namespace tapioca
