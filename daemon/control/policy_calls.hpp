// Calls about where the guest may connect: what is in force, and changes of it. Workers have to take a policy over, and somebody
// else may be changing it; so a change goes on for a while.
#pragma once

#include "daemon/control/egress_in_force.hpp"
#include "daemon/control/running_call.hpp"
#include "daemon/policy/policy_files.hpp"

#include <boost/json.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tapioca {

/// The parameter `files` of a call, in its order. Nothing: it makes no sense.
[[nodiscard]] std::optional<std::vector<policy_text>> parse_policy_files(const boost::json::object& parameters);

/// All that is known of the policy in force: it may be long, so that the answer is no part of what a client may leave unread.
/// `policies` outlives the call, here and below.
[[nodiscard]] std::unique_ptr<running_call> begin_policy_report(egress_in_force& policies);
[[nodiscard]] std::unique_ptr<running_call> begin_policy_exchange(egress_in_force& policies, std::vector<policy_text> files);
/// Appends the answer.
void lock_policy(egress_in_force& policies, std::string& out);

} // namespace tapioca
