// The forwarding rules that -t -u -T -U make, given or not.
#pragma once

#include "daemon/config/parsed_options.hpp"
#include "proto/forward/port_spec.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace tapioca {

/// What the meaning of these options depends on besides the command line.
struct port_facts {
    port_range ephemeral = port_spec_context{}.ephemeral; ///< ports that the kernel gives to sockets of its own choice
    bool ipv6 = true;                                     ///< the kernel has it
    bool device_binding = true;                           ///< sockets may be bound to an interface without privileges
    /// The kernel's own name of the interface that an alternative name means; of other names nothing.
    std::function<std::optional<std::string>(std::string_view)> interface_of = {};
    std::string directory = {}; ///< from which paths lead that do not begin with a slash
};

[[nodiscard]] port_facts discover_port_facts();

/// Makes the rules of both sides, in the order of the command line and then those of options that were not given: auto in pasta
/// mode, none in passt mode.
void resolve_ports(parsed_options& d, const port_facts& facts);

} // namespace tapioca
