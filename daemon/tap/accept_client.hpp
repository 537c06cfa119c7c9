// Guests that come to a listening socket: one at a time, others are refused.
#pragma once

#include "daemon/tap/tap_device.hpp"

namespace tapioca {

/// Accepts a client that waits, and tells the owner; empty if there is none, or if another one is being served.
[[nodiscard]] os::unique_fd accept_client(int listener, bool served, device_owner& owner, instant now) noexcept;

} // namespace tapioca
