// Options that are taken, but not as whoever wrote them will have meant: each is worth a warning.
#pragma once

#include "daemon/config/parsed_options.hpp"

namespace tapioca {

/// Adds to the warnings of options that are resolved otherwise.
void warn_of_surprises(parsed_options& d);

} // namespace tapioca
