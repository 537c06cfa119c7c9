// Domain names as labels with length octets (RFC 1035 section 3.1), and lists of them compressed with pointers (section 4.1.4).
#pragma once

#include "proto/base/bytes.hpp"
#include "proto/base/fixed_vector.hpp"

#include <optional>
#include <string_view>

namespace tapioca::wire {

inline constexpr std::size_t longest_label = 63;
inline constexpr std::size_t longest_encoded_name = 255; ///< length octets and the root's zero included

struct encoded_name {
    std::array<octet, longest_encoded_name> octets{};
    std::size_t size = 0;

    [[nodiscard]] bytes_view view() const noexcept { return bytes_view{octets}.first(size); }
};

/// The labels of `text` and the root's zero; a trailing dot is allowed. Nothing for the root itself, an empty or too long label,
/// and a name that is too long: such a name is not worth announcing.
[[nodiscard]] std::optional<encoded_name> encode_name(std::string_view text) noexcept;

/// Names one after the other, each ending in a pointer to an earlier name where they have a tail in common. Pointers count from
/// the list's first octet, as RFC 3397 section 2 wants it, and the list is bounded by the length octet of a DHCP option.
class compressed_names {
public:
    /// False if the name does not fit; the list is unchanged then.
    bool add(const encoded_name& name) noexcept;
    [[nodiscard]] bytes_view view() const noexcept { return bytes_view{octets_}.first(size_); }

private:
    [[nodiscard]] bool stands_at(std::size_t offset, bytes_view tail) const noexcept;
    [[nodiscard]] std::optional<octet> find(bytes_view tail, std::size_t starts) const noexcept;

    std::array<octet, 255> octets_{};
    std::size_t size_ = 0;
    fixed_vector<octet, 128> label_starts_; ///< a label takes two octets at least
};

} // namespace tapioca::wire
