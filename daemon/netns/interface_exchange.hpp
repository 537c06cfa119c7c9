// The network of an interface in the namespace is exchanged while it is used: what is new comes before what is old goes, and what
// stays is not touched. What the namespace's own administrator has made there, or taken away, is left alone.
#pragma once

#include "daemon/netns/interface_plan.hpp"

#include <string>
#include <vector>

namespace tapioca {

/// `socket`: of the namespace, opened by somebody who may administer it. `before` is what was asked for the last time. What could
/// not be done, for the log.
[[nodiscard]] std::vector<std::string> exchange_network(os::netlink_socket& socket, int index, const interface_plan& before,
                                                        const interface_plan& next);

} // namespace tapioca
