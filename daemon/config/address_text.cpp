#include "daemon/config/address_text.hpp"

#include "daemon/config/number_text.hpp"
#include "proto/base/ip_text.hpp"

#include <bit>

namespace tapioca {
namespace {

int hex_digit(char c) noexcept
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

} // namespace

std::optional<ip_address> parse_ip(std::string_view text)
{
    const auto address = ip_from_text(text);
    const bool mapped = address && address->is_v4() && text.find(':') != std::string_view::npos;
    return mapped ? std::nullopt : address;
}

std::optional<prefix> parse_prefix(std::string_view text)
{
    const auto slash = text.find('/');
    const auto address = parse_ip(text.substr(0, slash));
    if (!address)
        return std::nullopt;
    const std::uint8_t all = address->is_v4() ? 32 : 128;
    if (slash == std::string_view::npos)
        return prefix{*address, all};
    const auto length = parse_number(text.substr(slash + 1), all);
    return length ? std::optional{prefix{*address, static_cast<std::uint8_t>(*length)}} : std::nullopt;
}

std::optional<mac_address> parse_mac(std::string_view text)
{
    mac_address mac;
    if (text.size() != 3 * mac.octets.size() - 1)
        return std::nullopt;
    for (std::size_t i = 0; i < mac.octets.size(); ++i) {
        const int high = hex_digit(text[3 * i]), low = hex_digit(text[3 * i + 1]);
        if (high < 0 || low < 0 || (i > 0 && text[3 * i - 1] != ':'))
            return std::nullopt;
        mac.octets[i] = static_cast<octet>(high << 4 | low);
    }
    return mac;
}

std::optional<std::uint8_t> parse_prefix_length4(std::string_view text)
{
    if (const auto length = parse_number(text, 32))
        return static_cast<std::uint8_t>(*length);
    const auto mask = parse_ip(text);
    if (!mask || !mask->is_v4())
        return std::nullopt;
    const int length = std::countl_one(mask->v4_value());
    if (length < 32 && mask->v4_value() << length != 0)
        return std::nullopt;
    return static_cast<std::uint8_t>(length);
}

std::uint8_t class_prefix_length(const ip_address& address) noexcept
{
    switch (std::countl_one(address.v4_value())) {
    case 0:
        return 8;
    case 1:
        return 16;
    case 2:
        return 24;
    default:
        return 32;
    }
}

std::string to_text(const ip_address& address) { return std::string{text_of(address).view()}; }

std::string to_text(const prefix& network) { return to_text(network.address) + '/' + std::to_string(network.length); }

std::string to_text(const mac_address& address)
{
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const octet o : address.octets) {
        if (!text.empty())
            text += ':';
        text += digits[o >> 4];
        text += digits[o & 15];
    }
    return text;
}

} // namespace tapioca
