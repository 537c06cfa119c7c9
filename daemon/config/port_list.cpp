#include "daemon/config/port_list.hpp"

#include "daemon/config/number_text.hpp"

#include <algorithm>
#include <optional>

namespace tapioca {
namespace {

using kind = port_list::kind;

/// PORT or PORT-PORT; a range that begins with port 0 is one here.
std::optional<port_range> parse_range(std::string_view text)
{
    const auto dash = text.find('-');
    const auto first = parse_number(text.substr(0, dash), 65535);
    const auto last = dash == std::string_view::npos ? first : parse_number(text.substr(dash + 1), 65535);
    if (!first || !last || *first > *last)
        return std::nullopt;
    return port_range{static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
}

kind parse_chunk(std::string_view text, std::vector<port_range>& ranges)
{
    if (text == "auto" || text == "all" || text.starts_with("all:"))
        return kind::unsupported;
    if (text.starts_with('~'))
        return parse_range(text.substr(1)) ? kind::unsupported : kind::invalid;
    const auto colon = text.find(':');
    const auto range = parse_range(text.substr(0, colon));
    if (!range)
        return kind::invalid;
    if (colon != std::string_view::npos) {
        const auto target_text = text.substr(colon + 1);
        const auto target = parse_range(target_text);
        if (!target)
            return target_text.find_first_of(".:[") != std::string_view::npos ? kind::unsupported : kind::invalid;
        if (target->last - target->first != range->last - range->first)
            return kind::invalid;
        if (target->first != range->first)
            return target->first == 0 || range->first == 0 ? kind::port_zero : kind::unsupported;
    }
    if (range->first == 0)
        return kind::port_zero;
    ranges.push_back(*range);
    return kind::ports;
}

std::vector<port_range> joined(std::vector<port_range> ranges)
{
    std::sort(ranges.begin(), ranges.end(), [](const port_range& a, const port_range& b) { return a.first < b.first; });
    std::vector<port_range> result;
    for (const port_range& range : ranges) {
        if (!result.empty() && range.first <= result.back().last + 1)
            result.back().last = std::max(result.back().last, range.last);
        else
            result.push_back(range);
    }
    return result;
}

} // namespace

port_list parse_port_list(std::string_view text)
{
    if (text == "none")
        return {kind::none, {}};
    if (text.find('/') != std::string_view::npos)
        return {kind::unsupported, {}};
    port_list list{kind::ports, {}};
    while (true) {
        const auto comma = text.find(',');
        // The enumerators are in the order of their weight: one bad chunk decides for the whole list.
        list.what = std::max(list.what, parse_chunk(text.substr(0, comma), list.ranges));
        if (comma == std::string_view::npos)
            break;
        text.remove_prefix(comma + 1);
    }
    list.ranges = list.what == kind::ports ? joined(std::move(list.ranges)) : std::vector<port_range>{};
    return list;
}

std::string to_text(std::string_view protocol, const port_range& range)
{
    const auto ports =
        range.first == range.last ? std::to_string(range.first) : std::to_string(range.first) + '-' + std::to_string(range.last);
    return std::string{protocol} + " [*]:" + ports + "  =>  " + ports;
}

} // namespace tapioca
