#include "daemon/policy/policy_words.hpp"

#include "daemon/config/number_text.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace tapioca {
namespace {

constexpr std::array<std::string_view, 5> profiles = {"open", "no-metadata", "no-lan", "internet-only", "deny-all"};
static_assert(profiles.size() == static_cast<std::size_t>(egress_profile::deny_all) + 1);
constexpr std::array<std::string_view, 2> modes = {"enforce", "audit"};
constexpr std::array<std::string_view, egress_grounds> grounds = {"no policy", "rule",         "name",       "profile",
                                                                  "resolver",  "around names", "around TLS", "server name"};
static_assert(!grounds.back().empty());
constexpr std::array<std::string_view, 3> classes = {"metadata", "lan", "host"};
static_assert(classes.size() == static_cast<std::size_t>(address_class::count_));

template <class Enum, std::size_t N>
std::optional<Enum> value_of(const std::array<std::string_view, N>& words, std::string_view word) noexcept
{
    const auto found = std::ranges::find(words, word);
    return found == words.end() ? std::nullopt : std::optional{static_cast<Enum>(found - words.begin())};
}

struct unit {
    std::string_view name;
    std::uint64_t size;
};

constexpr std::uint64_t thousand = 1000;
constexpr unit bit_units[] = {
    {"gbit", thousand* thousand* thousand}, {"mbit", thousand* thousand}, {"kbit", thousand}, {"bit", 1}};
constexpr unit octet_units[] = {
    {"TiB", 1ULL << 40},
    {"TB", thousand* thousand* thousand* thousand},
    {"GiB", 1ULL << 30},
    {"GB", thousand* thousand* thousand},
    {"MiB", 1ULL << 20},
    {"MB", thousand* thousand},
    {"KiB", 1ULL << 10},
    {"KB", thousand},
    {"B", 1},
};
constexpr unit periods[] = {{"week", 604800}, {"day", 86400}, {"hour", 3600}, {"minute", 60}};

/// A number and its unit; nothing if there is no such unit, or it does not fit 63 bits.
std::optional<std::uint64_t> parse_quantity(std::string_view text, std::span<const unit> units) noexcept
{
    const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto number = parse_number(text.substr(0, digits));
    const auto found = std::ranges::find(units, text.substr(digits), &unit::name);
    if (!number || found == units.end() || *number > INT64_MAX / found->size)
        return std::nullopt;
    return *number * found->size;
}

/// By the largest unit that divides it; the last one has size 1.
std::string quantity_text(std::uint64_t value, std::span<const unit> units)
{
    const auto fits = [&](const unit& u) { return value >= u.size && value % u.size == 0; };
    const auto& chosen = value == 0 ? units.back() : *std::ranges::find_if(units, fits);
    return std::to_string(value / chosen.size).append(chosen.name);
}

using dns_type = std::pair<std::string_view, std::uint16_t>;
/// What guests ask for beside addresses; https://www.iana.org/assignments/dns-parameters has them all.
constexpr dns_type dns_types[] = {
    {"A", 1},      {"NS", 2},      {"CNAME", 5},  {"SOA", 6},    {"PTR", 12},    {"HINFO", 13}, {"MX", 15},         {"TXT", 16},
    {"AAAA", 28},  {"LOC", 29},    {"SRV", 33},   {"NAPTR", 35}, {"DNAME", 39},  {"DS", 43},    {"SSHFP", 44},      {"RRSIG", 46},
    {"NSEC", 47},  {"DNSKEY", 48}, {"NSEC3", 50}, {"TLSA", 52},  {"SMIMEA", 53}, {"CDS", 59},   {"OPENPGPKEY", 61}, {"SVCB", 64},
    {"HTTPS", 65}, {"SPF", 99},    {"AXFR", 252}, {"ANY", 255},  {"URI", 256},   {"CAA", 257},
};

std::string upper(std::string_view word)
{
    std::string text{word};
    std::ranges::transform(text, text.begin(),
                           [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    return text;
}

/// Of letters that are put in, left out or exchanged (Levenshtein).
std::size_t distance(std::string_view a, std::string_view b)
{
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        auto diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= b.size(); ++j)
            diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)}));
    }
    return row.back();
}

} // namespace

std::optional<egress_profile> profile_of(std::string_view word) noexcept { return value_of<egress_profile>(profiles, word); }

std::string_view word_of(egress_profile profile) noexcept { return profiles[static_cast<std::size_t>(profile)]; }

std::string profile_words()
{
    std::string list;
    for (std::size_t i = 0; i < profiles.size(); ++i)
        list.append(i == 0 ? "" : i + 1 == profiles.size() ? " or " : ", ").append(profiles[i]);
    return list;
}

std::optional<egress_mode> mode_word(std::string_view word) noexcept { return value_of<egress_mode>(modes, word); }

std::string_view word_of(egress_mode mode) noexcept { return modes[static_cast<std::size_t>(mode)]; }

std::string_view word_of(egress_ground ground) noexcept { return grounds[static_cast<std::size_t>(ground)]; }

std::optional<address_class> class_of(std::string_view word) noexcept { return value_of<address_class>(classes, word); }

std::string word_of(address_class of) { return std::string{'@'}.append(classes[static_cast<std::size_t>(of)]); }

std::optional<std::uint16_t> dns_type_of(std::string_view word) noexcept
{
    const auto name = upper(word);
    if (const auto found = std::ranges::find(dns_types, std::string_view{name}, &dns_type::first); found != std::end(dns_types))
        return found->second;
    const auto number = name.starts_with("TYPE") ? parse_number(std::string_view{name}.substr(4), 65535) : std::nullopt;
    return number && *number != 0 ? std::optional{static_cast<std::uint16_t>(*number)} : std::nullopt;
}

std::string dns_type_word(std::uint16_t type)
{
    const auto found = std::ranges::find(dns_types, type, &dns_type::second);
    return found == std::end(dns_types) ? "TYPE" + std::to_string(type) : std::string{found->first};
}

std::optional<std::uint64_t> parse_rate(std::string_view text) noexcept
{
    const auto bits = parse_quantity(text, bit_units);
    return bits && *bits >= 8 ? std::optional{*bits / 8} : std::nullopt;
}

std::string rate_text(std::uint64_t octets_per_second) { return quantity_text(octets_per_second * 8, bit_units); }

std::optional<egress_quota> parse_quota(std::string_view text) noexcept
{
    const auto slash = text.find('/');
    if (slash == std::string_view::npos)
        return std::nullopt;
    const auto octets = parse_quantity(text.substr(0, slash), octet_units);
    const auto period = std::ranges::find(periods, text.substr(slash + 1), &unit::name);
    if (!octets || *octets == 0 || period == std::end(periods))
        return std::nullopt;
    return egress_quota{*octets, std::chrono::seconds{period->size}};
}

std::string quota_text(const egress_quota& quota)
{
    const auto seconds = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(quota.period).count());
    const auto period = std::ranges::find(periods, seconds, &unit::size);
    const auto per = period == std::end(periods) ? std::to_string(seconds) + "s" : std::string{period->name};
    return quantity_text(quota.octets, octet_units) + '/' + per;
}

std::string_view similar_word(std::string_view word, std::string_view known)
{
    std::string_view best;
    std::size_t least = 3;
    while (!known.empty() && word.size() < 64) {
        const auto end = std::min(known.find(' '), known.size());
        const auto candidate = known.substr(0, end);
        known.remove_prefix(std::min(end + 1, known.size()));
        if (const auto d = distance(word, candidate); d < least && d < candidate.size()) {
            least = d;
            best = candidate;
        }
    }
    return best;
}

} // namespace tapioca
