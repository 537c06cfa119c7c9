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

struct action_name {
    std::string_view name;
    policy_action::action what;
};
constexpr action_name actions[] = {{"check", policy_action::action::check},
                                   {"show", policy_action::action::show},
                                   {"set", policy_action::action::set},
                                   {"reload", policy_action::action::set},
                                   {"lock", policy_action::action::lock}};

/// A file of such a name has a path.
bool is_number(std::string_view word) { return !word.empty() && word.find_first_not_of("0123456789") == word.npos; }

} // namespace

std::optional<std::string> take_policy_action(policy_action& into, std::span<const std::string_view>& operands)
{
    using action = policy_action::action;
    const auto* known = operands.empty() ? std::end(actions) : std::ranges::find(actions, operands[0], &action_name::name);
    if (known == std::end(actions))
        return "policy is followed by check, show, set, lock, learn or reopen";
    into.what = known->what;
    operands = operands.subspan(1);
    if (into.what == action::show || into.what == action::lock)
        return std::nullopt;
    std::span<const std::string_view> instance;
    if (into.what == action::set && !operands.empty() && is_number(operands.front()))
        instance = operands.first(1), operands = operands.subspan(1);
    else if (into.what == action::set && !operands.empty() && is_number(operands.back()))
        instance = operands.last(1), operands = operands.first(operands.size() - 1);
    into.words.assign(operands.begin(), operands.end());
    operands = instance;
    return into.words.empty() ? std::optional{"policy " + std::string{known->name} + " needs a file, a name or a profile"}
                              : std::nullopt;
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
    if (command.policy.what != policy_action::action::check)
        return run_policy_action(command);
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
