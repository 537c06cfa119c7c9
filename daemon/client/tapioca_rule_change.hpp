// What `tapioca rules` is to change: as the command line says it, and as instances are asked for it.
#pragma once

#include <boost/json.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tapioca::client {

/// -t, -u, -T or -U, and its value.
struct rule_option {
    char letter = 't';
    std::string ports;
};

struct rule_change {
    enum class action : std::uint8_t { none, add, remove, replace };
    action what = action::none;
    std::vector<rule_option> rules;  ///< to add, to delete, or to put in the place of others
    std::optional<std::uint64_t> id; ///< to delete, if no `rules` are
    std::string owner;               ///< empty: not said
};

/// Takes `add`, `delete ID` and the like from the beginning of the operands. Why that makes no sense, if it does not.
[[nodiscard]] std::optional<std::string> take_rule_action(rule_change& into, std::span<const std::string_view>& operands);

struct rule_call {
    std::string method; ///< without its interface
    boost::json::object parameters;
};
/// `change`: to add, delete or replace.
[[nodiscard]] rule_call call_of(const rule_change& change);

} // namespace tapioca::client
