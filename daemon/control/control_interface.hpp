// What varlink clients are told about our methods.
#pragma once

#include <string_view>

namespace tapioca::varlink {

inline constexpr std::string_view service_interface = "org.varlink.service", control_interface = "io.github.tapioca.Control";

/// In varlink's own language. Empty: there is no such interface.
[[nodiscard]] std::string_view description_of(std::string_view interface) noexcept;

} // namespace tapioca::varlink
