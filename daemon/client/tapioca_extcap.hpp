// What Wireshark and its like ask of an external capture program (extcap(4)): which interfaces there are, what can be configured,
// and a capture into a FIFO. Instances appear as interfaces.
#pragma once

#include <span>

namespace tapioca::client {

/// Whether the program was called by that name, or with words of that kind.
[[nodiscard]] bool is_extcap(std::span<const char* const> argv);

/// The exit status.
int run_extcap(std::span<const char* const> argv);

} // namespace tapioca::client
