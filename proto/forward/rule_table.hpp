// The table of forwarding rules of one side: what a rule must be like, and which rules cannot stand beside each other.
#pragma once

#include "proto/forward/forward_rule.hpp"

#include <optional>

namespace tapioca {

/// What the guest's network has at all; a rule for anything else is a mistake.
struct enabled_protocols {
    bool tcp = true, udp = true;
    bool ipv4 = true, ipv6 = true;
};

enum class rule_fault : std::uint8_t {
    protocol_disabled,
    family_disabled,
    from_port_zero,
    to_port_zero,
    dual_stack_target,   ///< sockets of both families, but a target of one
    other_family_target, ///< IPv4 to IPv6, or the other way round
    multicast_target,    ///< or the broadcast address
    conflict,
    too_many_rules,
    too_many_sockets,
};

struct rule_refusal {
    rule_fault why = rule_fault::conflict;
    forward_rule rule;  ///< the one that was refused
    forward_rule other; ///< the earlier one that it conflicts with
};

/// Listening sockets of one side: five addresses with all their ports.
inline constexpr unsigned most_listening_sockets = 5 * 65536;

/// Whether two rules claim a port of the same addresses. Sockets of both families have every address, a wildcard has all of its
/// family; sockets that are bound to different interfaces never meet.
[[nodiscard]] bool conflicting(const forward_rule& a, const forward_rule& b) noexcept;

/// Adds `rule` to the end of `table`; nothing on success, and an unchanged table otherwise.
[[nodiscard]] std::optional<rule_refusal> add_rule(forward_rules& table, const forward_rule& rule,
                                                   const enabled_protocols& enabled) noexcept;

} // namespace tapioca
