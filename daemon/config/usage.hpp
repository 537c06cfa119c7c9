// What the program says about itself: --help, --version, --print-capabilities and the hint after a mistake.
#pragma once

#include <string>
#include <string_view>

namespace tapioca {

/// How to call it, in few lines.
[[nodiscard]] std::string synopsis(std::string_view program, bool pasta);

/// Every option of the table by its group, 80 columns wide.
[[nodiscard]] std::string help_text(std::string_view program, bool pasta);

[[nodiscard]] std::string version_text(bool pasta);

/// Of the convention for vhost-user back-end programs (QEMU's documentation, "vhost-user: backend program conventions").
[[nodiscard]] std::string capabilities_text();

} // namespace tapioca
