// A rule as it is shown: TCP [ADDR]%IF:A-B  =>  TADDR:C-D  (best effort) (auto-scan), with * for both families at once.
#pragma once

#include "proto/base/ip_text.hpp"
#include "proto/forward/forward_rule.hpp"

namespace tapioca {

/// The longest: "TCP [", an address, "]%", an interface, two ports, the arrow, an address, two ports, both remarks.
using rule_text = fixed_string<160>;

[[nodiscard]] rule_text text_of(const forward_rule& rule) noexcept;

/// The address that the sockets of a rule are bound to: *, or an address without brackets.
[[nodiscard]] ip_text listening_address(const forward_rule& rule) noexcept;

} // namespace tapioca
