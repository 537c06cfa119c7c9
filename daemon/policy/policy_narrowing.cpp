#include "daemon/policy/policy_narrowing.hpp"

#include "daemon/policy/policy_check.hpp"
#include "daemon/policy/policy_words.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace tapioca {
namespace {

using difference = std::optional<std::string>;

egress_profile profile_in(const written_policy& policy) { return policy.profile.value_or(egress_profile::open); }

bool enforces(const written_policy& policy) { return policy.mode.value_or(egress_mode::enforce) == egress_mode::enforce; }

bool has_name(const written_rule& rule) { return std::holds_alternative<name_pattern>(rule.target.host); }

template <class Predicate>
bool any_rule(const written_policy& policy, egress_action action, Predicate holds)
{
    return std::ranges::any_of(policy.rules, [&](const written_rule& r) { return r.action == action && holds(r); });
}

bool has_names(const written_policy& policy) { return std::ranges::any_of(policy.rules, has_name); }

bool denies_all_of(const written_policy& policy, const egress_target& target)
{
    return any_rule(policy, egress_action::deny, [&](const written_rule& r) { return covers(r.target, target); });
}

bool may_allow_some_of(const written_policy& policy, const egress_target& target)
{
    return any_rule(policy, egress_action::allow, [&](const written_rule& r) { return may_meet(r.target, target); });
}

egress_target all_of(egress_host host, std::vector<egress_ports> ports = {}, egress_protocol protocol = egress_protocol::any)
{
    egress_target target;
    target.host = std::move(host);
    target.ports = std::move(ports);
    target.protocol = protocol;
    return target;
}

/// Whether the profile, or a rule for a class that it has, denies all of it, as far as rules allow none.
bool closed_to(const written_policy& policy, const egress_target& target)
{
    constexpr std::array by_profile = {std::pair{egress_profile::no_metadata, address_class::metadata},
                                       std::pair{egress_profile::no_lan, address_class::lan},
                                       std::pair{egress_profile::internet_only, address_class::host}};
    if (profile_in(policy) == egress_profile::deny_all)
        return true;
    return std::ranges::any_of(by_profile,
                               [&](const auto& p) { return profile_in(policy) >= p.first && covers(all_of(p.second), target); });
}

difference wider_profile(const written_policy& now, const written_policy& next)
{
    const auto is = profile_in(now), becomes = profile_in(next);
    if (becomes >= is)
        return std::nullopt;
    // A class may be denied by a rule as well.
    const bool same =
        is != egress_profile::deny_all &&
        std::ranges::all_of(std::array{address_class::metadata, address_class::lan, address_class::host}, [&](address_class c) {
            const auto all = all_of(c);
            return !closed_to(now, all) || closed_to(next, all) || denies_all_of(next, all);
        });
    if (same)
        return std::nullopt;
    return "the profile is " + std::string{word_of(becomes)} + ", not " + std::string{word_of(is)};
}

/// What is denied has to stay so: by a rule, or as nothing allows it.
difference lost_denial(const written_policy& now, const written_policy& next)
{
    for (const auto& rule : now.rules) {
        if (rule.action != egress_action::deny || denies_all_of(next, rule.target))
            continue;
        const bool name = has_name(rule);
        const bool allowed = any_rule(next, egress_action::allow, [&](const written_rule& r) {
            return (!name || has_name(r)) && may_meet(r.target, rule.target);
        });
        if (allowed || !closed_to(next, rule.target))
            return '"' + to_text(rule.target) + "\" is no longer denied";
    }
    return std::nullopt;
}

/// Beside what rules of `now` deny, which stays denied.
bool passes_now(const written_policy& now, const egress_target& target)
{
    if (profile_in(now) == egress_profile::open)
        return true;
    // Addresses of names are public, and no profile denies those but the last.
    if (std::holds_alternative<name_pattern>(target.host) && !target.private_addresses &&
        profile_in(now) != egress_profile::deny_all)
        return true;
    return any_rule(now, egress_action::allow, [&](const written_rule& r) {
        return covers(r.target, target) && r.target.private_addresses >= target.private_addresses;
    });
}

difference new_permission(const written_policy& now, const written_policy& next)
{
    for (const auto& rule : next.rules)
        if (rule.action == egress_action::allow && !passes_now(now, rule.target))
            return '"' + to_text(rule.target) + "\" is allowed";
    return std::nullopt;
}

/// Names bring a resolver of ours with them, to which port 53 leads, and past which nobody gets by port 853.
difference wider_names(const written_policy& now, const written_policy& next)
{
    constexpr prefix all4{ip_address::v4(0, 0, 0, 0), 0}, all6{ip_address{}, 0};
    const std::vector<egress_ports> dns = {{53, 53}}, both = {{53, 53}, {853, 853}};
    if (has_names(now) && !has_names(next)) {
        const bool some = profile_in(next) != egress_profile::deny_all || may_allow_some_of(next, all_of(all4, both)) ||
                          may_allow_some_of(next, all_of(all6, both));
        if (some)
            return "no rule has a name, so that other resolvers may be asked";
    }
    if (!has_names(now) && has_names(next)) {
        const bool closed = denies_all_of(now, all_of(all4, dns, egress_protocol::udp)) ||
                            denies_all_of(now, all_of(all6, dns, egress_protocol::udp));
        if (closed)
            return "rules have names, so that names may be asked for";
    }
    if (now.tls_names && !next.tls_names)
        return "names in TLS are not compared";
    if (has_names(now) && has_names(next) && !std::ranges::includes(now.dns_types, next.dns_types))
        return "more types of records may be asked for";
    return std::nullopt;
}

template <class T>
bool is_higher(T next, T now)
{
    return now != 0 && (next == 0 || next > now);
}

difference higher_limit(const egress_limits& now, const egress_limits& next)
{
    if (is_higher(next.octets_per_second, now.octets_per_second))
        return "the rate is higher";
    if (is_higher(next.connections, now.connections))
        return "more connections are allowed";
    if (is_higher(next.quota, now.quota) || (now.quota != 0 && next.quota_period < now.quota_period))
        return "the quota is higher, or its period shorter";
    return std::nullopt;
}

bool allows_nothing(const written_policy& policy)
{
    return enforces(policy) && profile_in(policy) == egress_profile::deny_all &&
           !any_rule(policy, egress_action::allow, [](const written_rule&) { return true; });
}

} // namespace

difference what_is_wider(const written_policy& now, const written_policy& next)
{
    if (allows_nothing(next))
        return std::nullopt;
    if (enforces(now)) {
        if (!enforces(next))
            return "the mode is audit, so that what is denied passes";
        for (const auto compare : {wider_profile, lost_denial, new_permission, wider_names})
            if (auto wider = compare(now, next))
                return wider;
    }
    return higher_limit(now.limits, next.limits);
}

} // namespace tapioca
