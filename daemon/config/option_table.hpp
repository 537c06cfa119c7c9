// Every option of passt and pasta, once: parsing and --help read this table.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace tapioca {

struct parsed_options;

/// Which program takes an option; the wording of the refusal follows it.
enum class audience : std::uint8_t { everybody, passt, passt_or_vhost_user, vhost_user, pasta };

enum class option_group : std::uint8_t {
    reports,
    guest,
    names,
    protocols,
    translation,
    ports,
    limits,
    egress,
    passt_only,
    pasta_only,
    information,
    count_
};

enum class support : std::uint8_t { built, refused };

struct option_entry {
    std::string_view name;       ///< long name without dashes
    char letter = '\0';          ///< rows with the same letter are names of one option; its first row is the canonical one
    std::string_view value_name; ///< as --help shows it; empty: takes none
    audience who = audience::everybody;
    option_group group = option_group::information;
    support state = support::built;
    void (*apply)(parsed_options&, std::string_view value) = nullptr;
    std::string_view help;

    [[nodiscard]] constexpr bool takes_value() const noexcept { return !value_name.empty(); }
};

[[nodiscard]] std::span<const option_entry> option_table() noexcept;

} // namespace tapioca
