// A forwarding rule: ports on which one side is listened for the other. -t and -u make rules of the host, for the guest; -T and
// -U rules of the namespace's loopback, for that of the host.
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/fixed_vector.hpp"

#include <algorithm>

namespace tapioca {

/// Where the sockets of a rule listen: those of -t and -u on the host, those of -T and -U on the namespace's loopback.
enum class rule_side : std::uint8_t { host, guest };

/// What the listening sockets of a rule take: dual is one IPv6 socket that takes IPv4 as well.
enum class listen_stack : std::uint8_t { dual, ipv4, ipv6 };

struct forward_rule {
    octet protocol = 0; ///< wire::protocol_tcp or wire::protocol_udp
    listen_stack stack = listen_stack::dual;
    bool best_effort = false; ///< a port that cannot be bound is no reason to give up
    bool scan = false;        ///< a port is listened on only while the other side has it bound
    ip_address address{};     ///< of the sockets; unspecified: all that the stack has
    fixed_string<15> interface {
    };                      ///< of the sockets; empty: any (SO_BINDTODEVICE)
    std::uint8_t group = 0; ///< the same for all rules that one specifier made
    std::uint16_t first = 0, last = 0;
    std::uint16_t target_first = 0; ///< the other side's port for `first`; the others follow
    ip_address target{};            ///< unspecified: the guest, wherever it is

    [[nodiscard]] constexpr std::uint16_t target_port(std::uint16_t port) const noexcept
    {
        return static_cast<std::uint16_t>(port - first + target_first);
    }
    [[nodiscard]] constexpr unsigned port_count() const noexcept { return last - first + 1U; }
};

/// The rules of one side in the order of the command line; sockets and flows refer to them by index.
using forward_rules = fixed_vector<forward_rule, 255>;

/// Whether any of them follows the other side.
[[nodiscard]] constexpr bool scans(const forward_rules& rules) noexcept
{
    return std::ranges::any_of(rules, &forward_rule::scan);
}

} // namespace tapioca
