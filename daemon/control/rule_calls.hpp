// Calls that change the forwarding rules. Planes have to take them over, and somebody else may be changing them; so these calls
// go on for a while.
#pragma once

#include "daemon/control/flow_calls.hpp"
#include "daemon/control/rules_in_force.hpp"

#include <boost/json.hpp>

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace tapioca {

/// What a client asks for.
struct rule_change_request {
    enum class kind : std::uint8_t { add, remove, replace };
    kind what = kind::add;
    std::vector<rule_spec> specs;
    std::optional<std::uint64_t> id; ///< to delete, instead of specs
    std::string owner;               ///< of what is added; whose it is that may go; empty: not said
};

/// From the parameters of a call; or which of them makes no sense.
[[nodiscard]] std::variant<rule_change_request, std::string> parse_rule_change(rule_change_request::kind what,
                                                                               const boost::json::object& parameters);

/// Carries it out as a whole or not at all. `rules` outlive the call.
[[nodiscard]] std::unique_ptr<running_call> begin_rule_change(rules_in_force& rules, rule_change_request request);

} // namespace tapioca
