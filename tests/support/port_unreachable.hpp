// The ICMP error of a host where nobody has the port.
#pragma once

#include "proto/responder/icmp_error.hpp"
#include "proto/wire/icmp.hpp"

namespace tapioca::test {

inline icmp_cause port_unreachable(ip_family family) noexcept
{
    return family == ip_family::ipv4 ? icmp_cause{wire::icmpv4_unreachable, wire::icmpv4_code_port, 0}
                                     : icmp_cause{wire::icmpv6_unreachable, wire::icmpv6_code_port, 0};
}

} // namespace tapioca::test
