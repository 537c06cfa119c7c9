#include "daemon/policy/compile_policy.hpp"

#include <algorithm>

namespace tapioca {
namespace {

constexpr std::size_t most_rules = UINT16_MAX; ///< a rule's number, and a name rule's place, have 16 bits

struct compiled_rules {
    std::vector<egress_address_rule> denied, allowed;
    std::vector<egress_name_rule> names;

    void add(const written_rule& rule, std::uint16_t number)
    {
        for (const auto& service : services_of(rule.target)) {
            if (const auto* name = std::get_if<name_pattern>(&rule.target.host)) {
                names.push_back({rule.action, service, name->name, name->below, rule.target.private_addresses, number});
                continue;
            }
            egress_address_rule by_address{
                .action = rule.action, .service = service, .by_class = {}, .network = {}, .number = number};
            if (const auto* of = std::get_if<address_class>(&rule.target.host))
                by_address.by_class = *of;
            else
                by_address.network = std::get<prefix>(rule.target.host);
            (rule.action == egress_action::deny ? denied : allowed).push_back(by_address);
        }
    }
};

} // namespace

egress_policy compile_policy(const written_policy& policy, policy_findings& findings)
{
    egress_policy compiled;
    compiled.profile = policy.profile.value_or(egress_profile::open);
    compiled.mode = policy.mode.value_or(egress_mode::enforce);
    compiled.tls_names = policy.tls_names.has_value();
    compiled.dns_types = policy.dns_types;
    compiled.limits = policy.limits;
    compiled_rules rules;
    for (const auto& rule : policy.rules) {
        if (compiled.rules.size() == most_rules || rules.names.size() + rule.target.ports.size() + 2 > most_rules) {
            findings.error(rule.place, rule.text, "there are too many rules",
                           "65535 are possible, of which each port of a name counts");
            break;
        }
        rules.add(rule, static_cast<std::uint16_t>(compiled.rules.size()));
        compiled.rules.push_back({rule.action, rule.text, rule.place.file, rule.place.line});
    }
    compiled.denied = address_rules{std::move(rules.denied)};
    compiled.allowed = address_rules{std::move(rules.allowed)};
    compiled.names = std::move(rules.names);
    return compiled;
}

} // namespace tapioca
