// What a worker's queue of frames is made from: opened at start, turned into a queue by the worker that owns it.
#pragma once

#include "daemon/tap/stream_queue.hpp"
#include "daemon/tap/tun_queue.hpp"

#include <memory>
#include <variant>

namespace tapioca {

/// Nothing: the guest has no link, and only its loopback is served.
struct no_tap {};

/// A stream socket: clients come to `listener`, one at a time, or there is one client for good.
struct stream_descriptor {
    os::unique_fd listener, client;
};

using tap_source = std::variant<no_tap, tun_descriptor, stream_descriptor>;

/// Takes the tap out of `source`; a stream's sockets stay there.
[[nodiscard]] std::unique_ptr<tap_queue> make_queue(tap_source& source, report::counters& counters);

} // namespace tapioca
