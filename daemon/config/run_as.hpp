// Who to be after start: the value of --runas.
#pragma once

#include "daemon/config/options.hpp"

#include <optional>
#include <string_view>

namespace tapioca {

/// UID (the GID is the same number), UID:GID, LOGIN (with its group) or LOGIN:GROUP. Names are looked up in the system's
/// databases; a name that means UID 0 is refused, since only a number says plainly that root is wanted.
[[nodiscard]] std::optional<identity> parse_identity(std::string_view text);

} // namespace tapioca
