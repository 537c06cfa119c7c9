#include "daemon/client/tapioca_rule_change.hpp"

#include <algorithm>
#include <charconv>

namespace tapioca::client {

namespace json = boost::json;
using action = rule_change::action;

namespace {

struct action_name {
    std::string_view name, method;
    action what;
};
constexpr action_name actions[] = {
    {"add", "AddRule", action::add}, {"delete", "DeleteRule", action::remove}, {"replace", "ReplaceRules", action::replace}};

std::optional<std::uint64_t> id_in(std::string_view text)
{
    std::uint64_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    return error == std::errc{} && end == text.data() + text.size() && id != 0 ? std::optional{id} : std::nullopt;
}

json::object spec_of(const rule_option& option)
{
    const bool host = option.letter == 't' || option.letter == 'u', tcp = option.letter == 't' || option.letter == 'T';
    return {{"side", host ? "host" : "guest"}, {"protocol", tcp ? "tcp" : "udp"}, {"ports", option.ports}};
}

} // namespace

std::optional<std::string> take_rule_action(rule_change& into, std::span<const std::string_view>& operands)
{
    const auto* known = operands.empty() ? std::end(actions) : std::ranges::find(actions, operands.front(), &action_name::name);
    if (known == std::end(actions)) {
        if (into.rules.empty() && into.owner.empty())
            return std::nullopt;
        return "rules are shown without -t, -u, -T, -U and --owner; `rules add`, `delete` and `replace` take them";
    }
    into.what = known->what;
    operands = operands.subspan(1);
    if (!into.rules.empty())
        return std::nullopt;
    if (into.what != action::remove)
        return "rules " + std::string{known->name} + " needs -t, -u, -T or -U";
    into.id = operands.empty() ? std::nullopt : id_in(operands.front());
    if (!into.id)
        return "rules delete needs the ID of a rule, or -t, -u, -T or -U";
    operands = operands.subspan(1);
    return std::nullopt;
}

rule_call call_of(const rule_change& change)
{
    const auto* known = std::ranges::find(actions, change.what, &action_name::what);
    rule_call call{std::string{known->method}, {}};
    if (!change.owner.empty())
        call.parameters["owner"] = change.owner;
    if (change.id) {
        call.parameters["id"] = *change.id;
        return call;
    }
    json::array rules;
    for (const auto& option : change.rules)
        rules.push_back(spec_of(option));
    call.parameters["rules"] = std::move(rules);
    return call;
}

} // namespace tapioca::client
