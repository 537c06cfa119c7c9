// The rules in force as clients are shown them.
#pragma once

#include "daemon/control/rules_in_force.hpp"

#include <boost/json.hpp>

namespace tapioca {

/// The type Rule of the interface. What it takes is bounded, however many ports the rule has.
[[nodiscard]] boost::json::object shown(const rules_in_force& rules, const known_rule& rule);
[[nodiscard]] boost::json::array shown(const rules_in_force& rules, std::span<const known_rule> some);

/// Ports as in an option's value, "1-79,81", of at most so many ranges; what is left out is "...".
[[nodiscard]] std::string text_of(std::span<const port_range> ports, std::size_t most);

} // namespace tapioca
