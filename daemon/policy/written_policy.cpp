#include "daemon/policy/written_policy.hpp"

#include <algorithm>
#include <iterator>

namespace tapioca {
namespace {

/// 0 is no limit.
template <class T>
T lower(T a, T b)
{
    return a == 0 ? b : b == 0 ? a : std::min(a, b);
}

/// Octets in each period, compared as rates; of equal ones the one that bursts less.
void take_lower_quota(egress_limits& to, const egress_limits& from)
{
    if (from.quota == 0)
        return;
    const auto rate = [](const egress_limits& l) {
        return static_cast<double>(l.quota) / static_cast<double>(l.quota_period.count());
    };
    if (to.quota != 0 && (rate(to) < rate(from) || (rate(to) == rate(from) && to.quota <= from.quota)))
        return;
    to.quota = from.quota;
    to.quota_period = from.quota_period;
}

void join(written_policy& to, written_policy&& from)
{
    if (from.profile)
        to.profile = std::max(to.profile.value_or(egress_profile::open), *from.profile);
    if (!to.tls_names)
        to.tls_names = std::move(from.tls_names);
    if (!to.dns_types_from)
        to.dns_types_from = std::move(from.dns_types_from);
    std::vector<std::uint16_t> types;
    std::ranges::set_union(to.dns_types, from.dns_types, std::back_inserter(types));
    to.dns_types = std::move(types);
    to.limits.octets_per_second = lower(to.limits.octets_per_second, from.limits.octets_per_second);
    to.limits.connections = lower(to.limits.connections, from.limits.connections);
    take_lower_quota(to.limits, from.limits);
    std::ranges::move(from.rules, std::back_inserter(to.rules));
}

} // namespace

written_policy bare_profile(egress_profile profile)
{
    written_policy policy;
    policy.profile = profile;
    return policy;
}

written_policy joined(std::vector<written_policy> policies)
{
    const bool enforced = std::ranges::any_of(
        policies, [](const written_policy& p) { return p.mode.value_or(egress_mode::enforce) == egress_mode::enforce; });
    written_policy all;
    for (auto& policy : policies)
        join(all, std::move(policy));
    all.mode = enforced ? egress_mode::enforce : egress_mode::audit;
    return all;
}

} // namespace tapioca
