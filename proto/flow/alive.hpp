// Whether a flow is still there behind a call that may have ended it: who goes on with the flow has to look.
#pragma once

#include <cstdint>

namespace tapioca {

enum class [[nodiscard]] flow_alive : std::uint8_t{no, yes};

} // namespace tapioca
