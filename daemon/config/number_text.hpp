// Decimal numbers as users write them: digits alone, no sign, no blanks, no suffix.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tapioca {

/// Nothing if `text` is not a decimal number or does not fit 64 bits.
[[nodiscard]] inline std::optional<std::uint64_t> parse_number(std::string_view text) noexcept
{
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

/// The same, and nothing if it is above `most`.
[[nodiscard]] inline std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t most) noexcept
{
    const auto value = parse_number(text);
    return value && *value <= most ? value : std::nullopt;
}

} // namespace tapioca
