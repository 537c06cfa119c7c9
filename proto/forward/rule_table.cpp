#include "proto/forward/rule_table.hpp"

#include "proto/wire/protocol.hpp"

namespace tapioca {
namespace {

bool same_interface_possible(const forward_rule& a, const forward_rule& b) noexcept
{
    return a.interface.empty() || b.interface.empty() || a.interface.view() == b.interface.view();
}

bool same_address_possible(const forward_rule& a, const forward_rule& b) noexcept
{
    if (a.stack == listen_stack::dual || b.stack == listen_stack::dual)
        return true;
    return a.stack == b.stack && (a.address.is_unspecified() || b.address.is_unspecified() || a.address == b.address);
}

/// What is wrong with the target of a rule.
std::optional<rule_fault> target_fault(const forward_rule& rule) noexcept
{
    if (rule.target_first == 0)
        return rule_fault::to_port_zero;
    if (rule.target.is_unspecified())
        return std::nullopt;
    if (rule.stack == listen_stack::dual)
        return rule_fault::dual_stack_target;
    if (rule.target.is_v4() != (rule.stack == listen_stack::ipv4))
        return rule_fault::other_family_target;
    if (!rule.target.is_unicast())
        return rule_fault::multicast_target;
    return std::nullopt;
}

/// What is wrong with a rule whatever else is in the table.
std::optional<rule_fault> fault_of(const forward_rule& rule, const enabled_protocols& enabled) noexcept
{
    if (!(rule.protocol == wire::protocol_tcp ? enabled.tcp : enabled.udp))
        return rule_fault::protocol_disabled;
    if ((rule.stack != listen_stack::ipv6 && !enabled.ipv4) || (rule.stack != listen_stack::ipv4 && !enabled.ipv6))
        return rule_fault::family_disabled;
    if (rule.first == 0)
        return rule_fault::from_port_zero;
    return target_fault(rule);
}

} // namespace

bool conflicting(const forward_rule& a, const forward_rule& b) noexcept
{
    return a.protocol == b.protocol && a.first <= b.last && b.first <= a.last && same_address_possible(a, b) &&
           same_interface_possible(a, b);
}

std::optional<rule_refusal> add_rule(forward_rules& table, const forward_rule& rule, const enabled_protocols& enabled) noexcept
{
    if (const auto fault = fault_of(rule, enabled))
        return rule_refusal{*fault, rule, {}};
    unsigned sockets = rule.port_count();
    for (const forward_rule& earlier : table) {
        if (conflicting(rule, earlier))
            return rule_refusal{rule_fault::conflict, rule, earlier};
        sockets += earlier.port_count();
    }
    if (table.full())
        return rule_refusal{rule_fault::too_many_rules, rule, {}};
    if (sockets > most_listening_sockets)
        return rule_refusal{rule_fault::too_many_sockets, rule, {}};
    table.push_back(rule);
    return std::nullopt;
}

} // namespace tapioca
