// What passt-repair does for the one whom it is connected to: it sets or clears TCP_REPAIR on sockets that come beside a command.
// A command is a signed octet: 1 on, 0 off, -1 off without a probe of the peer's window. The same octet is the answer, once all
// are done.
#pragma once

#include "daemon/client/repair_errors.hpp"

namespace tapioca::client {

/// Until the other side ends the connection, or something fails.
[[nodiscard]] repair_status serve_repair(int server) noexcept;

} // namespace tapioca::client
