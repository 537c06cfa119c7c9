// Options that are taken, but not as whoever wrote them will have meant: each is worth a warning.
#pragma once

#include "daemon/config/draft.hpp"

namespace tapioca {

/// Adds to the warnings of the draft, which is settled otherwise.
void warn_of_surprises(draft& d);

} // namespace tapioca
