// `tapioca policy`: what egress policies in files say.
#pragma once

#include "daemon/policy/policy_finding.hpp"
#include "proto/policy/egress_policy.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tapioca::client {

struct policy_action {
    enum class action : std::uint8_t { none, check };
    action what = action::none;
    std::vector<std::string> words; ///< to check: as several --egress have them
};

/// Takes `check FILE...` from the operands, all of them. Why that makes no sense, if it does not.
[[nodiscard]] std::optional<std::string> take_policy_action(policy_action& into, std::span<const std::string_view>& operands);

/// What a policy means, a line for each setting and a table of the rules.
[[nodiscard]] std::string policy_as_text(const egress_policy& policy, std::size_t width);

} // namespace tapioca::client
