// The forwarding rules that -t -u -T -U make, given or not.
#pragma once

#include "daemon/config/draft.hpp"
#include "proto/forward/port_spec.hpp"

namespace tapioca {

/// What the meaning of these options depends on besides the command line.
struct port_facts {
    port_range ephemeral = port_spec_context{}.ephemeral; ///< ports that the kernel gives to sockets of its own choice
    bool ipv6 = true;                                     ///< the kernel has it
    bool device_binding = true;                           ///< sockets may be bound to an interface without privileges
};

[[nodiscard]] port_facts discover_port_facts();

/// Makes the rules of both sides, in the order of the command line and then those of options that were not given: auto in pasta
/// mode, none in passt mode.
void settle_ports(draft& d, const port_facts& facts);

} // namespace tapioca
