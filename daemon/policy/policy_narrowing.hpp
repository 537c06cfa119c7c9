// Whether one policy lets through no more than another: what a lock asks before it lets a policy be exchanged.
#pragma once

#include "daemon/policy/written_policy.hpp"

#include <optional>
#include <string>

namespace tapioca {

/// What `next` may let through that `now` does not, in words: "the profile is open, not deny-all". Nothing if it is narrower or
/// the same, whatever the host and names are. Where that cannot be told from the rules alone, it is taken to be wider.
[[nodiscard]] std::optional<std::string> what_is_wider(const written_policy& now, const written_policy& next);

} // namespace tapioca
