#include "proto/policy/egress_rule.hpp"

#include <algorithm>
#include <tuple>

namespace tapioca {
namespace {

auto order_of(const egress_address_rule& r) noexcept
{
    return std::tuple{!r.network.address.is_v4(), r.network.length, r.network.address};
}

bool is_before(const egress_address_rule& a, const egress_address_rule& b) noexcept { return order_of(a) < order_of(b); }

} // namespace

bool speaks_of(const egress_name_rule& rule, std::string_view name) noexcept
{
    if (!rule.below)
        return name == rule.name;
    const auto tail = rule.name.size();
    return name.size() > tail + 1 && name.ends_with(rule.name) && name[name.size() - tail - 1] == '.';
}

address_rules::address_rules(std::vector<egress_address_rule> rules)
{
    for (auto& r : rules) {
        r.network.address = r.network.network();
        (r.by_class ? classes_ : networks_).push_back(r);
    }
    std::stable_sort(networks_.begin(), networks_.end(), is_before);
    for (std::uint32_t i = 0; i < networks_.size(); ++i) {
        const auto& n = networks_[i].network;
        if (lengths_.empty() || lengths_.back().v4 != n.address.is_v4() || lengths_.back().length != n.length)
            lengths_.push_back({n.address.is_v4(), n.length, i, i});
        lengths_.back().end = i + 1;
    }
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
