#include "daemon/control/rule_request.hpp"

#include "daemon/config/port_refusal.hpp"
#include "proto/forward/rule_change.hpp"
#include "proto/wire/protocol.hpp"

#include <algorithm>

namespace tapioca {
namespace {

constexpr rule_side sides[] = {rule_side::host, rule_side::guest};

char option_letter(const rule_spec& spec) noexcept
{
    const bool tcp = spec.protocol == wire::protocol_tcp;
    return spec.side == rule_side::host ? (tcp ? 't' : 'u') : (tcp ? 'T' : 'U');
}

/// Reasons are written for a terminal.
std::string in_one_line(std::string text)
{
    for (auto at = text.find('\n'); at != std::string::npos; at = text.find('\n', at))
        text.replace(at, 1, "; ");
    return text;
}

bool has(const forward_rules& rules, const forward_rule& rule) noexcept
{
    return std::ranges::any_of(rules, [&](const forward_rule& r) { return lead_alike(r, rule); });
}

/// Adds those that are not there. Which one cannot stand beside the others.
std::optional<refused_rule> add_missing(both_rules& to, const both_rules& added, const enabled_protocols& enabled)
{
    for (const auto side : sides)
        for (const auto& rule : added.of(side))
            if (!has(to.of(side), rule))
                if (const auto refused = add_rule(to.of(side), rule, enabled))
                    return refused_by(*refused);
    return std::nullopt;
}

both_rules all_of(std::span<const known_rule> known)
{
    both_rules rules;
    for (const auto& k : known)
        rules.of(k.side).push_back(k.rule);
    return rules;
}

bool is_owned(const known_rule& rule, std::string_view owner) noexcept { return owner.empty() || rule.owner == owner; }

} // namespace

std::string text_of(const refused_rule& refused)
{
    return refused.rule.empty() ? refused.why : "Rule " + refused.rule + ": " + refused.why;
}

refused_rule refused_by(const rule_refusal& refusal) { return {to_text(refusal.rule), in_one_line(text_of(refusal))}; }

std::variant<both_rules, refused_rule> rules_of(std::span<const rule_spec> specs, const spec_limits& limits)
{
    both_rules all;
    for (const auto& spec : specs) {
        const auto letter = option_letter(spec);
        const auto written = std::string{'-', letter, ' '} + spec.ports;
        if (spec.side == rule_side::guest && !limits.has_guest_side)
            return refused_rule{written, "there is no namespace to listen in"};
        auto context = limits.context;
        context.protocol = spec.protocol;
        context.side = spec.side;
        both_rules of_spec;
        auto& rules = of_spec.of(spec.side);
        if (const auto refused = add_port_spec(rules, spec.ports, context))
            return refused_rule{written, in_one_line(refused->why == spec_fault::rule ? text_of(refused->rule)
                                                                                      : text_of(*refused, letter, spec.ports))};
        for (auto& rule : rules)
            rule.group = static_cast<std::uint8_t>(all.of(spec.side).size());
        if (auto refused = add_missing(all, of_spec, context.enabled))
            return std::move(*refused);
    }
    return all;
}

wanted_rules with_added(std::span<const known_rule> known, const both_rules& added, const enabled_protocols& enabled)
{
    auto rules = all_of(known);
    if (auto refused = add_missing(rules, added, enabled))
        return std::move(*refused);
    return rules;
}

wanted_rules without(std::span<const known_rule> known, std::uint64_t id, std::string_view owner)
{
    both_rules rest;
    const known_rule* found = nullptr;
    for (const auto& k : known) {
        if (k.id == id)
            found = &k;
        else
            rest.of(k.side).push_back(k.rule);
    }
    if (found == nullptr)
        return no_such_rule{std::to_string(id)};
    if (!is_owned(*found, owner))
        return rule_of_another{id, found->owner};
    return rest;
}

wanted_rules without(std::span<const known_rule> known, const both_rules& deleted, std::string_view owner)
{
    for (const auto side : sides)
        for (const auto& rule : deleted.of(side)) {
            const auto* found = find_rule(known, side, rule);
            if (found == nullptr)
                return no_such_rule{to_text(rule)};
            if (!is_owned(*found, owner))
                return rule_of_another{found->id, found->owner};
        }
    both_rules rest;
    for (const auto& k : known)
        if (!has(deleted.of(k.side), k.rule))
            rest.of(k.side).push_back(k.rule);
    return rest;
}

wanted_rules with_replaced(std::span<const known_rule> known, const both_rules& instead, std::string_view owner,
                           const enabled_protocols& enabled)
{
    both_rules rules;
    for (const auto& k : known)
        if (!is_owned(k, owner) || has(instead.of(k.side), k.rule))
            rules.of(k.side).push_back(k.rule);
    if (auto refused = add_missing(rules, instead, enabled))
        return std::move(*refused);
    return rules;
}

bool same_rules(const both_rules& a, const both_rules& b) noexcept
{
    const auto same = [](const forward_rule& x, const forward_rule& y) {
        return lead_alike(x, y) && x.best_effort == y.best_effort;
    };
    return std::ranges::equal(a.host, b.host, same) && std::ranges::equal(a.guest, b.guest, same);
}

std::optional<both_rules> merged(const both_rules& seen, const both_rules& wanted, const both_rules& now)
{
    both_rules rules;
    bool fits = true;
    for (const auto side : sides) {
        for (const auto& rule : wanted.of(side)) // what somebody else has deleted since then does not come back
            if (!has(seen.of(side), rule) || has(now.of(side), rule))
                fits = rules.of(side).push_back(rule) && fits;
        for (const auto& rule : now.of(side))
            if (!has(seen.of(side), rule) && !has(rules.of(side), rule))
                fits = rules.of(side).push_back(rule) && fits;
    }
    return fits ? std::optional{rules} : std::nullopt;
}

const known_rule* find_rule(std::span<const known_rule> among, rule_side side, const forward_rule& rule) noexcept
{
    const auto found =
        std::ranges::find_if(among, [&](const known_rule& k) { return k.side == side && lead_alike(k.rule, rule); });
    return found == among.end() ? nullptr : &*found;
}

} // namespace tapioca
