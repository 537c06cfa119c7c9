// What --help says of one option.
#pragma once

#include "daemon/config/option_table.hpp"

#include <string>
#include <string_view>

namespace tapioca {

/// Names and value in the left column, the explanation in the right one, 80 columns wide.
[[nodiscard]] std::string help_lines(const option_entry& entry);
/// Likewise of whatever stands in the left column.
[[nodiscard]] std::string help_lines(std::string left, std::string_view explanation);

} // namespace tapioca
