#include "doc/completions/offer.hpp"

#include "daemon/client/pesto_command.hpp"
#include "daemon/client/tapioca_capture_options.hpp"
#include "daemon/client/tapioca_command.hpp"
#include "daemon/config/option_table.hpp"
#include "daemon/policy/policy_words.hpp"

#include <algorithm>
#include <array>

namespace tapioca::completions {
namespace {

constexpr std::array<std::string_view, 3> of_interfaces{"interface", "outbound-if4", "outbound-if6"};

bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

bool is_client(std::string_view program) { return program == "pesto" || program == "tapioca" || program == capture; }

/// Options of the other program's group are refused, or have no effect.
bool offered(const option_entry& entry, std::string_view program)
{
    const auto others = program == "pasta" ? option_group::passt_only : option_group::pasta_only;
    return entry.state == support::built && (is_client(program) || entry.group != others);
}

std::span<const option_entry> options_of(std::string_view program)
{
    if (program == capture)
        return client::capture_options();
    if (program == "tapioca")
        return client::tapioca_options();
    return program == "pesto" ? client::pesto_options() : option_table();
}

value_kind kind_of(const option_entry& entry)
{
    const auto value = entry.value_name;
    if (value.empty())
        return value_kind::none;
    if (value == "PATH|NAME")
        return value_kind::network_namespace;
    if (has(value, "PATH") || has(value, "FILE"))
        return value_kind::file;
    if (has(value, "LOGIN"))
        return value_kind::identity;
    return std::ranges::count(of_interfaces, entry.name) > 0 ? value_kind::interface : value_kind::other;
}

std::vector<std::string> profiles()
{
    std::vector<std::string> words;
    for (auto p = egress_profile::open; p <= egress_profile::deny_all; p = static_cast<egress_profile>(static_cast<int>(p) + 1))
        words.emplace_back(word_of(p));
    return words;
}

std::vector<std::string> words_of(const option_entry& entry, std::string_view program)
{
    if (entry.name == "egress")
        return profiles();
    if (entry.value_name == "WAY")
        return {"in", "out"};
    if (entry.value_name == "PIF")
        return {"HOST", "SPLICE"};
    if (entry.value_name == "SPEC")
        return program != "passt" ? std::vector<std::string>{"none", "all", "auto"} : std::vector<std::string>{"none", "all"};
    if (has(entry.value_name, "auto|"))
        return {"auto", "none"};
    if (has(entry.value_name, "|none"))
        return {"none"};
    return {};
}

/// The beginning of the explanation, up to what only a reader needs.
std::string summary_of(std::string_view help)
{
    constexpr std::size_t a_line = 100;
    help = help.substr(0, std::min(help.find(" ("), help.find("; ")));
    return std::string{help.size() > a_line ? help.substr(0, help.find(": ")) : help};
}

} // namespace

std::vector<offer> offers_of(std::string_view program)
{
    std::vector<offer> offers;
    for (const option_entry& entry : options_of(program)) {
        if (!offered(entry, program))
            continue;
        const auto same =
            std::ranges::find_if(offers, [&](const offer& o) { return entry.letter != '\0' && o.letter == entry.letter; });
        if (same != offers.end()) {
            same->names.emplace_back(entry.name);
            continue;
        }
        const auto value = entry.value_name;
        offers.push_back({.letter = entry.letter,
                          .names = {std::string{entry.name}},
                          .value_name = std::string{value},
                          .value = kind_of(entry),
                          .words = words_of(entry, program),
                          .repeats = value == "SPEC" || value == "PIF" || entry.letter == 'A' || entry.letter == 'D' ||
                                     has(value, "ADDR") || has(value, "LIST") || entry.name == "egress",
                          .summary = summary_of(entry.help)});
    }
    return offers;
}

std::vector<std::string> commands_of(std::string_view program)
{
    std::vector<std::string> names;
    if (program == "tapioca")
        for (const auto& command : client::subcommands())
            names.emplace_back(command.name);
    return names;
}

} // namespace tapioca::completions
