// The last step of reading the command line: what several options and the operands mean together.
#pragma once

#include "daemon/config/draft.hpp"
#include "daemon/config/port_rules.hpp"

#include <span>

namespace tapioca {

/// Refuses what contradicts itself or is not built, and completes the options.
void settle(draft& d, std::span<const char* const> operands, const port_facts& facts);

} // namespace tapioca
