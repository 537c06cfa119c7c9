// `tapioca policy`: what egress policies in files say, and those that instances have.
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

struct tapioca_command;

struct policy_action {
    enum class action : std::uint8_t { none, check, show, set, lock };
    action what = action::none;
    std::vector<std::string> words; ///< to check or to set: as several --egress have them
};

/// Takes the action and its words from the operands, and leaves the instance. Why that makes no sense, if it does not.
[[nodiscard]] std::optional<std::string> take_policy_action(policy_action& into, std::span<const std::string_view>& operands);

/// Asks or changes an instance. The exit status.
int run_policy_action(const tapioca_command& command);

/// What a policy means, a line for each setting and a table of the rules.
[[nodiscard]] std::string policy_as_text(const egress_policy& policy, std::size_t width);

} // namespace tapioca::client
