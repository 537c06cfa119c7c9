#include "daemon/client/tapioca_policy.hpp"

#include "daemon/client/tapioca_asking.hpp"
#include "daemon/client/tapioca_command.hpp"
#include "daemon/client/text_table.hpp"
#include "daemon/policy/compile_policy.hpp"
#include "daemon/policy/policy_check.hpp"
#include "daemon/policy/policy_files.hpp"
#include "daemon/policy/policy_json.hpp"
#include "daemon/policy/policy_words.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace tapioca::client {
namespace {

std::string_view meaning_of(egress_profile profile)
{
    switch (profile) {
    case egress_profile::open:
        return "what no rule denies passes";
    case egress_profile::no_metadata:
        return "@metadata is denied unless a rule allows it";
    case egress_profile::no_lan:
        return "@metadata and @lan are denied unless a rule allows them";
    case egress_profile::internet_only:
        return "@metadata, @lan and @host are denied unless a rule allows them";
    case egress_profile::deny_all:
        return "what no rule allows is denied";
    }
    return {};
}

void add_line(std::string& text, std::string_view name, const std::string& value)
{
    constexpr std::size_t column = 13;
    text.append(name).append(column - name.size(), ' ').append(value) += '\n';
}

bool is_private(const egress_policy& policy, std::size_t number)
{
    return std::ranges::any_of(policy.names,
                               [&](const egress_name_rule& n) { return n.number == number && n.private_addresses; });
}

std::string settings_of(const egress_policy& policy)
{
    std::string text, types = "A, AAAA";
    add_line(text, "profile", std::string{word_of(policy.profile)}.append(": ").append(meaning_of(policy.profile)));
    add_line(text, "mode",
             std::string{word_of(policy.mode)} +
                 (policy.mode == egress_mode::audit ? ": what would be denied is recorded, and passes" : ""));
    if (policy.tls_names)
        add_line(text, "tls", "sni: the name that a TLS client asks for has to be allowed, too");
    for (const auto type : policy.dns_types)
        types += ", " + dns_type_word(type);
    if (policy.has_names())
        add_line(text, "dns_types", types);
    if (policy.limits.octets_per_second != 0)
        add_line(text, "rate", rate_text(policy.limits.octets_per_second));
    if (policy.limits.connections != 0)
        add_line(text, "connections", std::to_string(policy.limits.connections));
    if (policy.limits.quota != 0)
        add_line(text, "quota", quota_text({policy.limits.quota, policy.limits.quota_period}));
    return text;
}

std::string as_json(const egress_policy& policy, const policy_findings& findings)
{
    boost::json::array found;
    for (const auto& finding : findings.all())
        found.push_back(to_json(finding));
    boost::json::object all{{"findings", std::move(found)}};
    if (!findings.has_errors())
        all["policy"] = to_json(policy);
    return boost::json::serialize(all) + '\n';
}

} // namespace

std::optional<std::string> take_policy_action(policy_action& into, std::span<const std::string_view>& operands)
{
    if (operands.empty() || operands[0] != "check")
        return "policy is followed by check, learn or reopen";
    into.what = policy_action::action::check;
    for (const auto word : operands.subspan(1))
        into.words.emplace_back(word);
    operands = {};
    return into.words.empty() ? std::optional<std::string>{"policy check needs a file, a name or a profile"} : std::nullopt;
}

std::string policy_as_text(const egress_policy& policy, std::size_t width)
{
    text_table rules{{"RULE", "ACTION", "WHOM", "ADDRESSES", "WHERE"}};
    for (std::size_t i = 0; i < policy.rules.size(); ++i) {
        const auto& rule = policy.rules[i];
        const auto named = std::ranges::find(policy.names, i, &egress_name_rule::number);
        const bool allowed_name = named != policy.names.end() && rule.action == egress_action::allow;
        rules.add({std::to_string(i), rule.action == egress_action::allow ? "allow" : "deny", rule.text,
                   !allowed_name           ? ""
                   : is_private(policy, i) ? "any"
                                           : "public",
                   rule.file + ':' + std::to_string(rule.line)});
    }
    return settings_of(policy) + (rules.empty() ? "" : '\n' + rules.text(width));
}

int run_policy(const tapioca_command& command)
{
    policy_findings findings;
    const auto written = read_policies(command.policy.words, directories_of_user(), findings);
    if (!findings.has_errors())
        check_policy(written, findings);
    egress_policy policy;
    if (!findings.has_errors())
        policy = compile_policy(written, findings);
    print(command.json ? as_json(policy, findings) : findings.has_errors() ? "" : policy_as_text(policy, terminal_width()));
    if (!command.json)
        for (const auto& finding : findings.all())
            std::fprintf(stderr, "%s\n", to_text(finding).c_str());
    return findings.has_errors() ? EXIT_FAILURE : EXIT_SUCCESS;
}

} // namespace tapioca::client
