// The data plane's configuration, made from everything that start-up has learned.
#pragma once

#include "daemon/config/host_network.hpp"
#include "daemon/config/plane_config.hpp"
#include "daemon/netns/interface.hpp"

namespace tapioca {

[[nodiscard]] plane_config plan_plane(const options& opts, const host_network& host, const guest_network& guest,
                                      const configured_interface& tap);

} // namespace tapioca
