// Domain names inside of DNS messages, where a pointer may stand for the rest of a name (RFC 1035 section 4.1.4), and as text.
#pragma once

#include "proto/wire/domain_name.hpp"

namespace tapioca::wire {

/// The name that begins at `at`, its pointers followed; `at` is then behind it. Each pointer has to lead to an earlier place than
/// the one before, so that none goes in a circle. The reason if it is cut, longer than 255 octets, or has another kind of label.
[[nodiscard]] parsed<encoded_name> take_dns_name(bytes_view message, std::size_t& at) noexcept;

/// Letters become lower case, for comparing (RFC 4343).
[[nodiscard]] encoded_name folded(const encoded_name& name) noexcept;
[[nodiscard]] bool same_octets(const encoded_name& a, const encoded_name& b) noexcept;

inline constexpr std::size_t longest_name_text = longest_encoded_name - 2; ///< without a dot at the end

/// A name as rules and logs have it: in lower case, without a dot at the end.
struct name_text {
    std::array<char, longest_name_text> letters{};
    std::size_t size = 0;

    [[nodiscard]] std::string_view view() const noexcept { return {letters.data(), size}; }
};
/// Nothing for the root, and for a name that no host has: with anything but letters, digits, hyphens and underscores, so that no
/// dot inside a label, and no octet of zero, makes a name look like another.
[[nodiscard]] std::optional<name_text> text_of(const encoded_name& name) noexcept;

} // namespace tapioca::wire
