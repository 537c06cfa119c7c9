// What was found out about the kernel at start, in words for the log.
#pragma once

#include "daemon/set_up.hpp"

#include <string>

namespace tapioca {

/// One line: the features that we do without somewhere (doc/kernels.md).
[[nodiscard]] std::string kernel_report(const plane_parts& parts);

} // namespace tapioca
