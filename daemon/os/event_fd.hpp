// A descriptor that one thread signals and another waits for.
#pragma once

#include "daemon/os/unique_fd.hpp"

#include <cstdint>

namespace tapioca::os {

/// What clear() does while nobody has signalled.
enum class unsignalled : std::uint8_t { returns, waits };

/// Throws std::system_error.
[[nodiscard]] unique_fd make_event_fd(unsignalled clear = unsignalled::returns);
void signal(int event_fd) noexcept;
/// Makes it unreadable again.
void clear(int event_fd) noexcept;

} // namespace tapioca::os
