// Options that are accepted, but probably do not do what the user expects: each gets a warning.
#pragma once

#include "daemon/config/parsed_options.hpp"

namespace tapioca {

/// Adds to the warnings of options that are resolved otherwise.
void warn_of_surprises(parsed_options& d);

} // namespace tapioca
