// A descriptor that one thread signals and another waits for.
#pragma once

#include "daemon/os/unique_fd.hpp"

namespace tapioca::os {

/// Non-blocking; throws std::system_error.
[[nodiscard]] unique_fd make_event_fd();
void signal(int event_fd) noexcept;
/// Makes it unreadable again.
void clear(int event_fd) noexcept;

} // namespace tapioca::os
