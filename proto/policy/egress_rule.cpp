#include "proto/policy/egress_rule.hpp"

#include <algorithm>

namespace tapioca {
bool speaks_of(const egress_name_rule& rule, std::string_view name) noexcept
{
    if (!rule.below)
        return name == rule.name;
    const auto tail = rule.name.size();
    return name.size() > tail + 1 && name.ends_with(rule.name) && name[name.size() - tail - 1] == '.';
}

std::optional<std::uint16_t> address_rules::find(const ip_address& to, class_set classes, octet protocol,
                                                 std::uint16_t port) const noexcept
{
    for (const auto& r : classes_)
        if (classes.has(*r.by_class) && r.service.meets(protocol, port))
            return r.number;
    const bool v4 = to.is_v4();
    for (const auto& group : lengths_) {
        if (group.v4 != v4)
            continue;
        const auto network = prefix{to, group.length}.network();
        const auto all = std::span{networks_}.subspan(group.begin, group.end - group.begin);
        auto at = std::lower_bound(all.begin(), all.end(), network,
                                   [](const egress_address_rule& r, const ip_address& n) { return r.network.address < n; });
        for (; at != all.end() && at->network.address == network; ++at)
            if (at->service.meets(protocol, port))
                return at->number;
    }
    return std::nullopt;
}

} // namespace tapioca
