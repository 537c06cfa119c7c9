#include "daemon/control/flow_name.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace tapioca {
namespace {

constexpr std::array<std::string_view, flow_kinds> kinds = {"tcp", "udp", "echo", "tcp-bypass", "udp-bypass"};
constexpr std::size_t most_workers = 64;

/// The part in front of the next point, or what is left.
std::string_view take_part(std::string_view& text) noexcept
{
    const auto part = text.substr(0, text.find('.'));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    return part;
}

std::optional<std::uint32_t> take_number(std::string_view& text, std::uint32_t limit) noexcept
{
    const auto part = take_part(text);
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (error != std::errc{} || end != part.data() + part.size() || number >= limit)
        return std::nullopt;
    return number;
}

} // namespace

std::string to_text(const flow_name& name)
{
    return std::to_string(name.worker) + '.' + std::string{kinds[static_cast<std::size_t>(name.kind)]} + '.' +
           std::to_string(name.id.slot()) + '.' + std::to_string(name.id.generation());
}

std::optional<flow_name> parse_flow_name(std::string_view text) noexcept
{
    if (std::ranges::count(text, '.') != 3)
        return std::nullopt;
    const auto worker = take_number(text, most_workers);
    const auto kind = std::ranges::find(kinds, take_part(text));
    const auto slot = take_number(text, flow_id::slot_mask + 1);
    const auto generation = take_number(text, 1U << (32 - flow_id::slot_bits));
    if (!worker || kind == kinds.end() || !slot || !generation)
        return std::nullopt;
    return flow_name{*worker, static_cast<flow_kind>(kind - kinds.begin()), flow_id{*generation << flow_id::slot_bits | *slot}};
}

} // namespace tapioca
