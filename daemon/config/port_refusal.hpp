// Why a value of -t -u -T -U cannot be followed, in words that callers of passt and pasta know.
#pragma once

#include "proto/forward/port_spec.hpp"

#include <string>
#include <string_view>

namespace tapioca {

/// A rule as it is shown everywhere: "TCP [*]:80-81  =>  80-81".
[[nodiscard]] std::string to_text(const forward_rule& rule);

using rule_writer = std::string (*)(const forward_rule&);

/// One or several lines, the last without newline. `letter` and `spec`: the option and its value.
[[nodiscard]] std::string text_of(const spec_refusal& refusal, char letter, std::string_view spec, rule_writer shown = to_text);

/// Why a rule cannot be in a table.
[[nodiscard]] std::string text_of(const rule_refusal& refusal, rule_writer shown = to_text);

} // namespace tapioca
