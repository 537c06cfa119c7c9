#include "proto/control/pesto_field.hpp"

#include "proto/control/pesto.hpp"
#include "proto/wire/protocol.hpp"

namespace tapioca::pesto {
namespace {

constexpr octet flag_dual = 1, flag_best_effort = 2, flag_scan = 4;
constexpr octet known_flags = flag_dual | flag_best_effort | flag_scan;
constexpr ip_address any_ipv4 = ip_address::v4(0);

refusal refuse(fault why, const forward_rule& rule, std::uint32_t value = 0) noexcept { return {why, value, rule}; }

/// The kernel's own rule (dev_valid_name), and nothing that a terminal could obey.
bool can_name_interface(std::string_view name) noexcept
{
    return name != "." && name != ".." && name.find_first_of("/: ") == std::string_view::npos && can_be_shown(name);
}

bool known_protocol(octet protocol) noexcept
{
    return protocol == tapioca::wire::protocol_tcp || protocol == tapioca::wire::protocol_udp;
}

/// What is wrong with the ports of a rule.
std::optional<refusal> fault_of_ports(const forward_rule& rule) noexcept
{
    if (rule.first == 0)
        return refuse(fault::port_zero, rule);
    if (rule.first > rule.last)
        return refuse(fault::reversed_range, rule);
    if (rule.target_first == 0 || rule.target_first > 65535 - (rule.last - rule.first))
        return refuse(fault::target_range, rule);
    return std::nullopt;
}

} // namespace

std::optional<refusal> from_wire(const wire::rule& from, forward_rule& into) noexcept
{
    into = {};
    into.protocol = from.protocol;
    into.best_effort = (from.flags & flag_best_effort) != 0;
    into.scan = (from.flags & flag_scan) != 0;
    into.first = from.first;
    into.last = from.last;
    into.target_first = from.target_first;
    into.address = ip_address{from.address};
    if (const ip_address target{from.target}; !target.is_unspecified())
        into.target = target;
    if ((from.flags & flag_dual) == 0)
        into.stack = into.address.is_v4() ? listen_stack::ipv4 : listen_stack::ipv6;
    if ((from.flags & ~known_flags) != 0)
        return refuse(fault::flags, into, from.flags & static_cast<octet>(~known_flags));
    if (!known_protocol(from.protocol))
        return refuse(fault::protocol, into, from.protocol);
    const auto interface = terminated_text(from.interface);
    if (!interface)
        return refuse(fault::interface_unterminated, into);
    if (!can_name_interface(*interface))
        return refuse(fault::interface_characters, into);
    into.interface.assign(*interface);
    if (into.stack == listen_stack::dual && into.address != ip_address{})
        return refuse(fault::dual_address, into);
    return fault_of_ports(into);
}

std::optional<refusal> to_wire(const forward_rule& from, wire::rule& into) noexcept
{
    if (!known_protocol(from.protocol))
        return refuse(fault::protocol, from, from.protocol);
    if (from.stack == listen_stack::dual && from.address != ip_address{})
        return refuse(fault::dual_address, from);
    // Our rules may leave the address of either family unspecified by leaving it out.
    const auto address = from.stack == listen_stack::ipv4 && from.address.is_unspecified() ? any_ipv4 : from.address;
    if (from.stack != listen_stack::dual && address.is_v4() != (from.stack == listen_stack::ipv4))
        return refuse(fault::other_family, from);
    if (!can_name_interface(from.interface.view()))
        return refuse(fault::interface_characters, from);
    if (auto refused = fault_of_ports(from))
        return refused;
    into = {};
    into.address = address.octets();
    if (!from.target.is_unspecified())
        into.target = from.target.octets();
    std::ranges::copy(from.interface.view(), into.interface.begin());
    into.first = from.first;
    into.last = from.last;
    into.target_first = from.target_first;
    into.protocol = from.protocol;
    into.flags = static_cast<octet>((from.stack == listen_stack::dual ? flag_dual : 0) |
                                    (from.best_effort ? flag_best_effort : 0) | (from.scan ? flag_scan : 0));
    return std::nullopt;
}

bool same(const forward_rule& a, const forward_rule& b) noexcept
{
    wire::rule first{}, second{};
    if (to_wire(a, first) || to_wire(b, second))
        return false;
    return std::ranges::equal(octets_of(first), octets_of(second));
}

} // namespace tapioca::pesto
