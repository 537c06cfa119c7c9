// Rules as sets of destinations: which are in which, and which meet.
#include "daemon/policy/policy_check.hpp"

#include <algorithm>

namespace tapioca {
namespace {

/// Of what the host has nothing to do with; of a network, what all of it is. No network begins and ends in local ones, at both
/// sides of its middle as well, without being inside one of them.
class_set classes_of_all(const prefix& network)
{
    const auto first = network.network();
    const unsigned bits = network.length + (first.is_v4() ? 96U : 0U);
    auto last = first.octets(), left = last, right = last;
    for (unsigned bit = bits; bit < 128; ++bit) {
        const auto mask = static_cast<octet>(0x80U >> bit % 8);
        last[bit / 8] = static_cast<octet>(last[bit / 8] | mask);
        auto& half = bit == bits ? right : left;
        half[bit / 8] = static_cast<octet>(half[bit / 8] | mask);
    }
    const host_places nowhere;
    class_set all;
    for (const auto c : {address_class::metadata, address_class::lan, address_class::host}) {
        const auto has = [&](const ipv6_octets& o) { return classes_of(nowhere, ip_address{o}).has(c); };
        const bool single = bits == 128;
        if (has(first.octets()) && (single || (c != address_class::metadata && has(last) && has(left) && has(right))))
            all.add(c);
    }
    return all;
}

bool contains(const prefix& outer, const prefix& inner) { return outer.length <= inner.length && outer.contains(inner.address); }

bool is_below(std::string_view name, std::string_view top)
{
    return name.size() > top.size() + 1 && name.ends_with(top) && name[name.size() - top.size() - 1] == '.';
}

bool covers(const name_pattern& outer, const name_pattern& inner)
{
    if (outer.below)
        return is_below(inner.name, outer.name) || (inner.below && inner.name == outer.name);
    return outer == inner;
}

bool host_covers(const egress_host& outer, const egress_host& inner)
{
    if (const auto* names = std::get_if<name_pattern>(&outer)) {
        const auto* name = std::get_if<name_pattern>(&inner);
        return name != nullptr && covers(*names, *name);
    }
    const auto* network = std::get_if<prefix>(&inner);
    if (const auto* of = std::get_if<address_class>(&outer)) {
        const auto* same = std::get_if<address_class>(&inner);
        return same != nullptr ? *same == *of : network != nullptr && classes_of_all(*network).has(*of);
    }
    return network != nullptr && contains(std::get<prefix>(outer), *network);
}

bool covers(const egress_service& outer, const egress_service& inner)
{
    return (outer.protocol == 0 || outer.protocol == inner.protocol) && outer.ports.first <= inner.ports.first &&
           inner.ports.last <= outer.ports.last;
}

bool meet(const egress_service& a, const egress_service& b)
{
    return (a.protocol == 0 || b.protocol == 0 || a.protocol == b.protocol) && a.ports.first <= b.ports.last &&
           b.ports.first <= a.ports.last;
}

bool may_meet(const egress_host& a, const egress_host& b)
{
    const auto *name = std::get_if<name_pattern>(&a), *other_name = std::get_if<name_pattern>(&b);
    if (name != nullptr && other_name != nullptr)
        return covers(*name, *other_name) || covers(*other_name, *name);
    const auto *network = std::get_if<prefix>(&a), *other = std::get_if<prefix>(&b);
    if (network != nullptr && other != nullptr)
        return contains(*network, *other) || contains(*other, *network) || !network->address.is_v4() || !other->address.is_v4();
    return true;
}

} // namespace

bool covers(const egress_target& outer, const egress_target& inner)
{
    if (!host_covers(outer.host, inner.host))
        return false;
    const auto wide = services_of(outer), narrow = services_of(inner);
    return std::ranges::all_of(narrow, [&](const egress_service& n) {
        return std::ranges::any_of(wide, [&](const egress_service& w) { return covers(w, n); });
    });
}

bool may_meet(const egress_target& a, const egress_target& b)
{
    if (!may_meet(a.host, b.host))
        return false;
    const auto of_a = services_of(a), of_b = services_of(b);
    return std::ranges::any_of(of_a, [&](const egress_service& one) {
        return std::ranges::any_of(of_b, [&](const egress_service& other) { return meet(one, other); });
    });
}

} // namespace tapioca
