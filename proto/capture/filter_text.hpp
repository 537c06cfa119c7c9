// A filter as text, for messages of JSON: the instructions' octets in base64 (RFC 4648 section 4).
#pragma once

#include "proto/capture/bpf.hpp"

#include <optional>
#include <string_view>

namespace tapioca::bpf {

/// Characters of the longest program's text.
inline constexpr std::size_t longest_text = (longest_program * octets_of_instruction + 2) / 3 * 4;

/// Four characters for each three octets, the last of them filled up with '='. Returns how many were written: none if they do not
/// fit.
[[nodiscard]] std::size_t write_text(std::span<const instruction> program, std::span<char> into) noexcept;

/// How many instructions were written into `into`; nothing: it is no such text, or holds more of them than there is room for.
/// They are not validated.
[[nodiscard]] std::optional<std::size_t> read_text(std::string_view text, std::span<instruction> into) noexcept;

} // namespace tapioca::bpf
