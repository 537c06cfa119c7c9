// Rules that can never match, or that change nothing: each with the reason. Only several files together tell, as one may deny all
// and another allow.
#pragma once

#include "daemon/policy/written_policy.hpp"

namespace tapioca {

/// Of what all files say together.
void check_policy(const written_policy& policy, policy_findings& findings, name_libraries use = name_libraries::may_load);

/// Whether all that `inner` speaks of is spoken of by `outer`, by ports and protocols, and by addresses or names. What is known
/// of classes without a host counts: 10.0.0.1 is of @lan.
[[nodiscard]] bool covers(const egress_target& outer, const egress_target& inner);
/// Whether there may be something that both speak of. A name may lead to any address.
[[nodiscard]] bool may_meet(const egress_target& a, const egress_target& b);

} // namespace tapioca
