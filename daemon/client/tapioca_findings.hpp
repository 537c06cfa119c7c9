// Findings of `tapioca doctor` for people and for programs.
#pragma once

#include "daemon/client/tapioca_diagnosis.hpp"

#include <string>

namespace tapioca::client {

/// An object a line: `grade` (good, hint or fault), `about`, `what`, and `remedy` where there is one.
[[nodiscard]] std::string findings_as_json(const findings& all);

/// Faults first. Lines are `width` characters at most, 80 for 0.
[[nodiscard]] std::string findings_as_text(const findings& all, std::size_t width, bool coloured);

} // namespace tapioca::client
