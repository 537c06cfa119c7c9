// Work inside another network namespace at start-up, while the main thread stays where the host's sockets are made. A network
// namespace belongs to a thread, so the work gets a thread of its own that ends with it.
#pragma once

#include <functional>

namespace tapioca::netns {

/// Runs `work` in the namespace and returns when it is done; what it throws is thrown here. To be called before any fork or
/// pivot_root.
void enter(int net_ns, const std::function<void()>& work);

} // namespace tapioca::netns
