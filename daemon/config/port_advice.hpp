// What is wrong with a value of -t -u -T -U that is none, and how it would be written: many know the ways of other programs.
#pragma once

#include <string>
#include <string_view>

namespace tapioca {

/// `letter` and `spec`: the option and its value; `part`: what of it could not be read.
[[nodiscard]] std::string port_advice(char letter, std::string_view spec, std::string_view part);

} // namespace tapioca
