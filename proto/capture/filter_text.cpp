#include "proto/capture/filter_text.hpp"

namespace tapioca::bpf {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t none = 0xff;

constexpr auto values = [] {
    std::array<std::uint8_t, 256> value_of{};
    value_of.fill(none);
    for (std::size_t i = 0; i < alphabet.size(); ++i)
        value_of[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
    return value_of;
}();

constexpr std::size_t octet_count(std::size_t instructions) noexcept { return instructions * octets_of_instruction; }

} // namespace

std::size_t write_text(std::span<const instruction> program, std::span<char> into) noexcept
{
    const auto octets = octet_count(program.size());
    const auto characters = (octets + 2) / 3 * 4;
    if (into.size() < characters)
        return 0;
    const auto octet_at = [&](std::size_t at) -> std::uint32_t {
        return at < octets ? written(program[at / octets_of_instruction])[at % octets_of_instruction] : 0;
    };
    for (std::size_t at = 0, to = 0; at < octets; at += 3, to += 4) {
        const auto three = octet_at(at) << 16 | octet_at(at + 1) << 8 | octet_at(at + 2);
        for (unsigned i = 0; i < 4; ++i)
            into[to + i] = at + i > octets ? '=' : alphabet[three >> (18 - 6 * i) & 63U];
    }
    return characters;
}

std::optional<std::size_t> read_text(std::string_view text, std::span<instruction> into) noexcept
{
    if (text.size() % 4 != 0)
        return std::nullopt;
    for (int i = 0; i < 2 && text.ends_with('='); ++i)
        text.remove_suffix(1);
    std::array<octet, octets_of_instruction> octets{};
    std::uint32_t bits = 0;
    unsigned waiting = 0; ///< bits
    std::size_t filled = 0, count = 0;
    for (const char c : text) {
        const auto value = values[static_cast<unsigned char>(c)];
        if (value == none)
            return std::nullopt;
        bits = bits << 6 | value;
        waiting += 6;
        if (waiting < 8)
            continue;
        waiting -= 8;
        octets[filled++] = static_cast<octet>(bits >> waiting);
        if (filled < octets.size())
            continue;
        if (count == into.size())
            return std::nullopt;
        into[count++] = read_instruction(octets);
        filled = 0;
    }
    return filled == 0 && (bits & ((1U << waiting) - 1)) == 0 ? std::optional{count} : std::nullopt;
}

} // namespace tapioca::bpf
