// The last step of reading the command line: what several options and the operands mean together.
#pragma once

#include "daemon/config/parsed_options.hpp"
#include "daemon/config/port_rules.hpp"

#include <span>

namespace tapioca {

/// Refuses what contradicts itself or is not built, and completes the options.
void resolve_options(parsed_options& d, std::span<const char* const> operands, const port_facts& facts);

} // namespace tapioca
