#include "daemon/config/address_text.hpp"

#include <arpa/inet.h>

#include <array>

namespace tapioca {

std::optional<ip_address> address_from_text(std::string_view text)
{
    const std::string terminated{text};
    if (terminated.find('\0') != std::string::npos)
        return std::nullopt;
    if (ipv4_octets v4; ::inet_pton(AF_INET, terminated.c_str(), v4.data()) == 1)
        return ip_address{v4};
    if (ipv6_octets v6; ::inet_pton(AF_INET6, terminated.c_str(), v6.data()) == 1)
        return ip_address{v6};
    return std::nullopt;
}

std::string to_text(const ip_address& address)
{
    std::array<char, INET6_ADDRSTRLEN> text{};
    const auto v4 = address.v4_octets();
    if (address.is_v4())
        ::inet_ntop(AF_INET, v4.data(), text.data(), text.size());
    else
        ::inet_ntop(AF_INET6, address.octets().data(), text.data(), text.size());
    return text.data();
}

std::string to_text(const prefix& network) { return to_text(network.address) + '/' + std::to_string(network.length); }

std::string to_text(const mac_address& mac)
{
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const octet o : mac.octets) {
        if (!text.empty())
            text += ':';
        text += {digits[o >> 4], digits[o & 15]};
    }
    return text;
}

} // namespace tapioca
