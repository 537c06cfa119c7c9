#include "daemon/config/port_advice.hpp"

#include "daemon/config/address_text.hpp"
#include "daemon/config/number_text.hpp"

#include <algorithm>
#include <optional>

namespace tapioca {
namespace {

using text = std::string_view;

constexpr text examples = "ports are written 8080, 8000-8010, 8080:80 or 127.0.0.1/8080:80, with commas between several";
constexpr std::uint64_t highest = 65535;

/// Of `a:b`, the parts; nothing if there is no such character.
std::optional<std::pair<text, text>> split(text whole, char at)
{
    const auto where = whole.find(at);
    return where == text::npos ? std::nullopt : std::optional{std::pair{whole.substr(0, where), whole.substr(where + 1)}};
}

bool is_address(text word)
{
    if (word.starts_with('[') && word.ends_with(']'))
        word = word.substr(1, word.size() - 2);
    return parse_ip(word).has_value();
}

bool is_digits(text word) { return !word.empty() && word.find_first_not_of("0123456789") == text::npos; }

/// `127.0.0.1:8080:80` is how container engines write it.
std::optional<std::string> address_before_colon(text spec)
{
    const auto end = spec.starts_with('[') ? spec.find("]:") + 1 : spec.find(':');
    if (end == 0 || end >= spec.size() || !is_address(spec.substr(0, end)))
        return std::nullopt;
    return "write " + std::string{spec.substr(0, end)} + '/' + std::string{spec.substr(end + 1)};
}

/// `8080:10.0.0.1:80`: only the last colon is wrong.
std::optional<std::string> target_before_colon(text spec)
{
    const auto parts = split(spec, ':');
    const auto fixed = parts ? address_before_colon(parts->second) : std::nullopt;
    return fixed ? std::optional{"write " + std::string{parts->first} + ':' + fixed->substr(text{"write "}.size())}
                 : std::nullopt;
}

std::optional<std::string> protocol_behind(char letter, text spec)
{
    const auto parts = split(spec, '/');
    if (!parts || (parts->second != "tcp" && parts->second != "udp"))
        return std::nullopt;
    const bool guest_side = letter == 'T' || letter == 'U';
    const char* const options[] = {guest_side ? "-T" : "-t", guest_side ? "-U" : "-u"};
    return std::string{"the protocol is the option's, "} + options[0] + " for TCP and " + options[1] + " for UDP: write " +
           options[parts->second == "udp"] + ' ' + std::string{parts->first};
}

/// In front of a slash stands an address, or an interface behind its mark.
std::optional<std::string> name_before_slash(text spec)
{
    const auto parts = split(spec, '/');
    if (!parts || parts->first.empty() || parts->first == "*" || parts->first.find_first_of("%:,") != text::npos ||
        is_address(parts->first))
        return std::nullopt;
    const std::string name{parts->first};
    return name + " is no address; an interface is written %" + name + '/' + std::string{parts->second};
}

/// An alternative name has given way to the interface's own before.
std::optional<std::string> long_name(text spec)
{
    constexpr std::size_t longest = 15;
    const auto parts = split(spec.substr(0, spec.find('/')), '%');
    if (!parts || parts->second.size() <= longest || spec.find('/') == text::npos)
        return std::nullopt;
    return "there is no interface " + std::string{parts->second};
}

std::optional<std::string> wrong_range(text range)
{
    const auto ends = split(range, '-');
    const auto first = ends ? ends->first : range, last = ends ? ends->second : range;
    for (const text port : {first, last})
        if (is_digits(port) && parse_number(port).value_or(highest + 1) > highest)
            return "there is no port " + std::string{port} + ", " + std::to_string(highest) + " is the last";
    if (is_digits(first) && is_digits(last) && *parse_number(first) > *parse_number(last))
        return std::string{range} + " ends before it begins";
    for (const text port : {first, last})
        if (!is_digits(port))
            return '"' + std::string{port} + "\" is no port; " + std::string{examples};
    return std::nullopt;
}

std::optional<std::string> wrong_item(text item)
{
    if (item.empty())
        return "nothing stands in front of a comma or behind it";
    const auto parts = split(item.starts_with('~') ? item.substr(1) : item, ':');
    const auto from = parts ? parts->first : item;
    if (from == "all" || from == "auto" || from == "none")
        return from == "none" ? std::optional<std::string>{"none stands alone"} : std::nullopt;
    if (auto wrong = wrong_range(from.starts_with('~') ? from.substr(1) : from))
        return wrong;
    if (!parts)
        return std::nullopt;
    if (auto wrong = wrong_range(parts->second))
        return wrong;
    return "as many ports must stand behind the colon as before it";
}

} // namespace

std::string port_advice(char letter, text spec, text part)
{
    if (spec.empty())
        return std::string{examples} + ", or none, all, auto";
    for (const auto& advice : {address_before_colon(spec), target_before_colon(spec), protocol_behind(letter, spec),
                               name_before_slash(spec), long_name(spec)})
        if (advice)
            return *advice;
    for (text rest = part;;) {
        const auto item = rest.substr(0, rest.find(','));
        if (auto wrong = wrong_item(item))
            return *wrong;
        if (item.size() == rest.size())
            return std::string{examples};
        rest.remove_prefix(item.size() + 1);
    }
}

} // namespace tapioca
