// What clients may want of the forwarding rules, worked out before anything happens: the rules that there are to be, or why not.
#pragma once

#include "proto/forward/port_spec.hpp"

#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace tapioca {

/// The rules of both sides, in the order in which they are shown.
struct both_rules {
    forward_rules host, guest;

    [[nodiscard]] forward_rules& of(rule_side side) noexcept { return side == rule_side::host ? host : guest; }
    [[nodiscard]] const forward_rules& of(rule_side side) const noexcept { return side == rule_side::host ? host : guest; }
};

/// A rule in force.
struct known_rule {
    std::uint64_t id = 0;
    rule_side side = rule_side::host;
    std::uint8_t slot = 0;
    forward_rule rule;
    std::string owner;
};

/// As clients write it: the value of -t, -u, -T or -U. It may stand for several rules.
struct rule_spec {
    rule_side side = rule_side::host;
    octet protocol = 0;
    std::string ports;
};

/// Why rules cannot be as somebody wants them. `rule`: which one, or empty if it is none's fault.
struct refused_rule {
    std::string rule, why;
};
[[nodiscard]] std::string text_of(const refused_rule& refused);
/// Of a rule that a table has refused.
[[nodiscard]] refused_rule refused_by(const rule_refusal& refusal);

struct no_such_rule {
    std::string rule; ///< an id, or as it is shown
};
struct rule_of_another {
    std::uint64_t id = 0;
    std::string owner;
};

/// What specs may be, as an option's value is judged at the start; `protocol` and `side` are each spec's own.
struct spec_limits {
    port_spec_context context;
    bool has_guest_side = false;
};

/// The rules that specs stand for; what is written twice is one.
[[nodiscard]] std::variant<both_rules, refused_rule> rules_of(std::span<const rule_spec> specs, const spec_limits& limits);

using wanted_rules = std::variant<both_rules, refused_rule, no_such_rule, rule_of_another>;

/// What there is, and `added` behind it as far as it is not there.
[[nodiscard]] wanted_rules with_added(std::span<const known_rule> known, const both_rules& added,
                                      const enabled_protocols& enabled);
/// What there is without the rule of that id. `owner`: whose it has to be; empty: anybody's.
[[nodiscard]] wanted_rules without(std::span<const known_rule> known, std::uint64_t id, std::string_view owner);
/// Likewise without several, which all have to be there.
[[nodiscard]] wanted_rules without(std::span<const known_rule> known, const both_rules& deleted, std::string_view owner);
/// `instead`, and the rules of everybody but `owner`; if that is empty, of nobody. Those that stay keep their places.
[[nodiscard]] wanted_rules with_replaced(std::span<const known_rule> known, const both_rules& instead, std::string_view owner,
                                         const enabled_protocols& enabled);

/// Whether they are the same rules, in the same order.
[[nodiscard]] bool same_rules(const both_rules& a, const both_rules& b) noexcept;

/// Somebody was shown `seen` and wants `wanted`; meanwhile the rules have become `now`. What others have done since then stays
/// done. Nothing if there is no room for all of it.
[[nodiscard]] std::optional<both_rules> merged(const both_rules& seen, const both_rules& wanted, const both_rules& now);

/// The first of those that is this rule; null if there is none.
[[nodiscard]] const known_rule* find_rule(std::span<const known_rule> among, rule_side side, const forward_rule& rule) noexcept;

} // namespace tapioca
