// Threads, and why there are none to be had.
#pragma once

#include <functional>
#include <thread>

namespace tapioca::os {

/// At start, where failure is the user's to know: throws std::runtime_error, with what may be done.
[[nodiscard]] std::thread start_thread(std::function<void()> work);

} // namespace tapioca::os
