// From what is written to what judges.
#pragma once

#include "daemon/policy/written_policy.hpp"

namespace tapioca {

/// Of a policy without errors. `name_service` and `pins` are left to whoever serves names. More rules than can be numbered are a
/// finding.
[[nodiscard]] egress_policy compile_policy(const written_policy& policy, policy_findings& findings);

} // namespace tapioca
