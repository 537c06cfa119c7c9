// The account to run as: the value of --runas.
#pragma once

#include "daemon/config/options.hpp"

#include <string>
#include <string_view>
#include <variant>

namespace tapioca {

/// UID (the GID is the same number), UID:GID, LOGIN (with its group) or LOGIN:GROUP. Names are looked up in the system's
/// databases; a name that means UID 0 is refused, since only a number says plainly that root is wanted. What cannot be
/// followed yields the reason.
[[nodiscard]] std::variant<identity, std::string> parse_identity(std::string_view text);

} // namespace tapioca
