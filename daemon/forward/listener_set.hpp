// The sockets that wait for peers on behalf of the guest: one a forwarded port.
#pragma once

#include "daemon/config/options.hpp"
#include "daemon/loop/worker.hpp"

#include <vector>

namespace tapioca {

/// Opens a listening socket for each forwarded port, on all addresses of the enabled families. A port that cannot be bound is
/// fatal: throws std::runtime_error that names the rule and the reason.
[[nodiscard]] std::vector<listening_socket> open_listeners(const options& opts);

} // namespace tapioca
