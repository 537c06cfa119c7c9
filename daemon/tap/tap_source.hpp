// What a worker's device is made from: opened at start, turned into a device by the worker that owns it.
#pragma once

#include "daemon/tap/stream_device.hpp"
#include "daemon/tap/tun_device.hpp"
#include "daemon/tap/vhost_device.hpp"

#include <memory>
#include <variant>

namespace tapioca {

/// Nothing: the guest has no link, and only its loopback is served.
struct no_tap {};

using tap_source = std::variant<no_tap, tun_descriptor, stream_descriptor, vhost_descriptor>;

[[nodiscard]] std::unique_ptr<tap_device> make_device(tap_source source, const device_place& place);

} // namespace tapioca
