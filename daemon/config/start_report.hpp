// What a person wants to read at the start: which interface was the model, what the guest will be told, which addresses lead to
// the host, which ports are forwarded.
#pragma once

#include "daemon/config/host_network.hpp"
#include "daemon/config/options.hpp"
#include "proto/forward/address_map.hpp"
#include "proto/responder/guest_network.hpp"

#include <string>
#include <vector>

namespace tapioca {

[[nodiscard]] std::vector<std::string> start_report(const options& opts, const host_network& host, const guest_network& guest,
                                                    const address_map& addresses, const std::string& tap_name);

/// Every rule by its side, for the time before one of them may turn out to be impossible.
[[nodiscard]] std::vector<std::string> rule_report(const options& opts);

/// How a guest is connected to the socket at `path`.
[[nodiscard]] std::vector<std::string> socket_report(const std::string& path, bool vhost_user);

} // namespace tapioca
