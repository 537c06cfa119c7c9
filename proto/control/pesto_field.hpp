// Fields of text in pesto's protocol: octets up to a zero, which must be there.
#pragma once

#include "proto/base/bytes.hpp"

#include <optional>
#include <string_view>

namespace tapioca::pesto {

/// What stands before the first zero; nothing without one. Octets behind it mean nothing.
[[nodiscard]] inline std::optional<std::string_view> terminated_text(bytes_view field) noexcept
{
    for (std::size_t size = 0; size < field.size(); ++size)
        if (field[size] == 0)
            return std::string_view{reinterpret_cast<const char*>(field.data()), size};
    return std::nullopt;
}

/// Whether a terminal that gets this text does nothing but show it.
[[nodiscard]] constexpr bool can_be_shown(std::string_view text) noexcept
{
    for (const char c : text)
        if (static_cast<unsigned char>(c) < ' ' || c == '\x7f')
            return false;
    return true;
}

} // namespace tapioca::pesto
