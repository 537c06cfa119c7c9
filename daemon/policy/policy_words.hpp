// The words of egress policies: profiles, modes, classes, types of DNS records, and quantities.
#pragma once

#include "proto/policy/egress_policy.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace tapioca {

[[nodiscard]] std::optional<egress_profile> profile_of(std::string_view word) noexcept;
[[nodiscard]] std::string_view word_of(egress_profile profile) noexcept;
/// "open, no-metadata, no-lan, internet-only or deny-all".
[[nodiscard]] std::string profile_words();

[[nodiscard]] std::optional<egress_mode> mode_word(std::string_view word) noexcept;
[[nodiscard]] std::string_view word_of(egress_mode mode) noexcept;

[[nodiscard]] std::string_view word_of(egress_ground ground) noexcept;

/// Without its @.
[[nodiscard]] std::optional<address_class> class_of(std::string_view word) noexcept;
/// With its @.
[[nodiscard]] std::string word_of(address_class of);

/// A mnemonic in any case, or TYPE and a number (RFC 3597 section 5).
[[nodiscard]] std::optional<std::uint16_t> dns_type_of(std::string_view word) noexcept;
[[nodiscard]] std::string dns_type_word(std::uint16_t type);

/// "50mbit" as octets a second: bit, kbit, mbit and gbit are powers of 1000. Nothing for what is none, or less than an octet.
[[nodiscard]] std::optional<std::uint64_t> parse_rate(std::string_view text) noexcept;
[[nodiscard]] std::string rate_text(std::uint64_t octets_per_second);

struct egress_quota {
    std::uint64_t octets = 0;
    duration period{};
};
/// "5GiB/day": B, KB, MB, GB, TB, and KiB, MiB, GiB, TiB; a minute, hour, day or week. Nothing for what is none, or 0.
[[nodiscard]] std::optional<egress_quota> parse_quota(std::string_view text) noexcept;
[[nodiscard]] std::string quota_text(const egress_quota& quota);

/// The word that was probably meant: one of `known`, blanks between them, that differs in two letters at most; else empty.
[[nodiscard]] std::string_view similar_word(std::string_view word, std::string_view known);

} // namespace tapioca
