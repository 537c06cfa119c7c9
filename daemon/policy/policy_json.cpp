#include "daemon/policy/policy_json.hpp"

#include "daemon/policy/policy_words.hpp"

#include <algorithm>

namespace tapioca {
namespace {

namespace json = boost::json;

json::object limits_of(const egress_limits& limits)
{
    json::object all;
    if (limits.octets_per_second != 0)
        all["rate"] = rate_text(limits.octets_per_second);
    if (limits.connections != 0)
        all["connections"] = limits.connections;
    if (limits.quota != 0)
        all["quota"] = quota_text({limits.quota, limits.quota_period});
    return all;
}

json::array rules_of(const egress_policy& policy)
{
    json::array all;
    for (std::size_t i = 0; i < policy.rules.size(); ++i) {
        const auto& rule = policy.rules[i];
        json::object shown{{"number", i},
                           {"action", rule.action == egress_action::allow ? "allow" : "deny"},
                           {"text", rule.text},
                           {"file", rule.file},
                           {"line", rule.line}};
        if (std::ranges::any_of(policy.names, [&](const egress_name_rule& n) { return n.number == i && n.private_addresses; }))
            shown["private"] = true;
        all.push_back(std::move(shown));
    }
    return all;
}

} // namespace

json::object to_json(const egress_policy& policy)
{
    json::object all{{"profile", word_of(policy.profile)}, {"mode", word_of(policy.mode)}};
    if (policy.tls_names)
        all["tls"] = "sni";
    if (!policy.dns_types.empty()) {
        json::array types;
        for (const auto type : policy.dns_types)
            types.emplace_back(dns_type_word(type));
        all["dns_types"] = std::move(types);
    }
    if (auto limits = limits_of(policy.limits); !limits.empty())
        all["limit"] = std::move(limits);
    all["rules"] = rules_of(policy);
    return all;
}

json::object to_json(const policy_finding& finding)
{
    return {{"severity", finding.severity == policy_severity::error ? "error" : "warning"},
            {"file", finding.place.file},
            {"line", finding.place.line},
            {"key", finding.place.key},
            {"value", finding.value},
            {"what", finding.what},
            {"cure", finding.cure}};
}

} // namespace tapioca
