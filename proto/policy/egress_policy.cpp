#include "proto/policy/egress_policy.hpp"

#include "proto/wire/dns.hpp"
#include "proto/wire/protocol.hpp"
#include "proto/wire/tls_client_hello.hpp"

#include <algorithm>

namespace tapioca {
namespace {

constexpr std::uint16_t dns_over_tls = 853; ///< RFC 7858; over UDP DTLS and QUIC (RFC 8094, RFC 9250)

bool denies(egress_profile profile, class_set classes) noexcept
{
    switch (profile) {
    case egress_profile::open:
        return false;
    case egress_profile::no_metadata:
        return classes.has(address_class::metadata);
    case egress_profile::no_lan:
        return classes.meets({address_class::metadata, address_class::lan});
    case egress_profile::internet_only:
        return !classes.empty();
    case egress_profile::deny_all:
        return true;
    }
    return true;
}

/// By the address, and by the one that it carries.
std::optional<std::uint16_t> find(const address_rules& rules, const endpoint& to, class_set classes, octet protocol) noexcept
{
    auto number = rules.find(to.address, classes, protocol, to.port);
    if (!number)
        if (const auto carried = carried_address(to.address))
            number = rules.find(*carried, classes, protocol, to.port);
    return number;
}

bool holds(const egress_policy& policy, const pin& p, octet protocol, std::uint16_t port, instant now) noexcept
{
    return p.until > now && p.rule < policy.names.size() && policy.names[p.rule].service.meets(protocol, port);
}

std::optional<egress_verdict> find_pin(const egress_policy& policy, octet protocol, const endpoint& to, instant now) noexcept
{
    std::optional<egress_verdict> found;
    if (policy.pins == nullptr)
        return found;
    policy.pins->each(to.address, [&](const pin& p) {
        const bool leads_there = holds(policy, p, protocol, to.port, now);
        if (leads_there)
            found = egress_verdict{.ground = egress_ground::name, .rule = policy.names[p.rule].number, .name = p.name};
        return !leads_there;
    });
    return found;
}

egress_verdict say(const egress_policy& policy, const host_places& host, octet protocol, const endpoint& to, instant now) noexcept
{
    const auto classes = classes_of(host, to.address);
    if (const auto number = find(policy.denied, to, classes, protocol))
        return {.says = egress_action::deny, .ground = egress_ground::rule, .rule = *number};
    const bool has_port = protocol == wire::protocol_tcp || protocol == wire::protocol_udp;
    if (policy.has_names() && has_port && to.port == dns_over_tls)
        return {.says = egress_action::deny, .ground = egress_ground::around_names};
    if (policy.tls_names && protocol == wire::protocol_udp && to.port == wire::https_port)
        return {.says = egress_action::deny, .ground = egress_ground::around_tls};
    if (const auto number = find(policy.allowed, to, classes, protocol))
        return {.ground = egress_ground::rule, .rule = *number};
    if (const auto pinned = find_pin(policy, protocol, to, now))
        return *pinned;
    const auto says = denies(policy.profile, classes) ? egress_action::deny : egress_action::allow;
    return {.says = says, .ground = egress_ground::profile};
}

} // namespace

bool egress_policy::takes_query(octet protocol, const endpoint& remote) const noexcept
{
    const bool has_port = protocol == wire::protocol_tcp || protocol == wire::protocol_udp;
    return has_names() && has_port && remote.port == wire::dns_port && remote.address.is_unicast();
}

egress_verdict judge(const egress_policy& policy, const host_places& host, octet protocol, const endpoint& to,
                     instant now) noexcept
{
    auto verdict = say(policy, host, protocol, to, now);
    verdict.passes = verdict.says == egress_action::allow || policy.mode == egress_mode::audit;
    return verdict;
}

bool needs_server_name(const egress_policy& policy, octet protocol, const endpoint& to, const egress_verdict& verdict) noexcept
{
    return policy.tls_names && verdict.ground == egress_ground::name && protocol == wire::protocol_tcp &&
           to.port == wire::https_port;
}

bool is_pinned(const egress_policy& policy, octet protocol, const endpoint& to, std::string_view name) noexcept
{
    if (policy.pins == nullptr)
        return false;
    bool found = false;
    const auto text = policy.pins->text_of(name);
    policy.pins->each(to.address, [&](const pin& p) {
        found = p.text == text && holds(policy, p, protocol, to.port, any_time);
        return !found;
    });
    return found;
}

name_verdict judge_name(const egress_policy& policy, std::string_view name) noexcept
{
    const auto find = [&](egress_action action) -> const egress_name_rule* {
        const auto rule = std::find_if(policy.names.begin(), policy.names.end(),
                                       [&](const egress_name_rule& r) { return r.action == action && speaks_of(r, name); });
        return rule == policy.names.end() ? nullptr : &*rule;
    };
    if (const auto* denied = find(egress_action::deny))
        return {false, denied->number};
    if (const auto* allowed = find(egress_action::allow))
        return {true, allowed->number};
    return {policy.profile != egress_profile::deny_all, std::nullopt};
}

} // namespace tapioca
