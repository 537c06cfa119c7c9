// What --help says of one option.
#pragma once

#include "daemon/config/option_table.hpp"

#include <string>

namespace tapioca {

/// Names and value in the left column, the explanation in the right one, 80 columns wide.
[[nodiscard]] std::string help_lines(const option_entry& entry);

} // namespace tapioca
