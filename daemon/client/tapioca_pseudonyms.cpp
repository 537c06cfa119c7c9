#include "daemon/client/tapioca_pseudonyms.hpp"

#include "daemon/config/address_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace tapioca::client {
namespace {

constexpr std::size_t longest_address = 45; // of IPv6 with IPv4 in its end
constexpr std::string_view digits = "0123456789", address_characters = "0123456789abcdefABCDEF:.";

/// Directories that say nothing of whose machine it is.
constexpr std::string_view usual_directories[] = {
    "bin",    "dev",  "etc",  "home", "lib",  "libexec", "local", "log", "netns", "ns",  "net", "opt",        "pasta",   "passt",
    "podman", "proc", "root", "run",  "sbin", "self",    "sys",   "tmp", "user",  "usr", "var", "containers", "libvirt", "qemu"};

bool is_word_character(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}

struct kept_beginning {
    prefix of;
    unsigned bits; ///< of the 128 of an ip_address
};
constexpr kept_beginning kept[] = {
    {{ip_address::v4(172, 16, 0, 0), 12}, 96 + 12},
    {{ip_address::v4(192, 168, 0, 0), 16}, 96 + 16},
    {{ip_address::v4(100, 64, 0, 0), 10}, 96 + 10},
    {{ip_address::v4(0, 0, 0, 0), 0}, 96 + 8},
    {{ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, 0}), 10}, 64},
    {{ip_address::v6({0xfc00, 0, 0, 0, 0, 0, 0, 0}), 7}, 8},
    {{ip_address{}, 0}, 3},
};

bool is_nobodys(const ip_address& address)
{
    if (!address.is_unicast() || address.is_loopback())
        return true;
    if (address.is_v4())
        return address.is_link_local() || address.v4_octets()[0] >= 240 || address.v4_octets()[0] == 0;
    const auto& o = address.octets();
    return address.is_link_local() && std::all_of(o.begin() + 2, o.begin() + 14, [](octet part) { return part == 0; });
}

/// The first bits of an address, cleared behind them, and how many they are.
std::array<octet, 17> leading_bits(const ip_address& address, unsigned count)
{
    std::array<octet, 17> leading{};
    for (unsigned i = 0; i < 16; ++i) {
        const unsigned left = count > 8 * i ? std::min(count - 8 * i, 8U) : 0;
        leading[i] = static_cast<octet>(address.octets()[i] & (0xff00U >> left));
    }
    leading[16] = static_cast<octet>(count);
    return leading;
}

/// The number in front of which a slash stands, if it is a prefix length of that family.
std::optional<std::uint8_t> length_in(std::string_view behind, bool v4)
{
    unsigned length = 0;
    if (!behind.starts_with('/'))
        return std::nullopt;
    const auto [end, error] = std::from_chars(behind.data() + 1, behind.data() + behind.size(), length);
    return error == std::errc{} && length <= (v4 ? 32U : 128U) ? std::optional{static_cast<std::uint8_t>(length)} : std::nullopt;
}

} // namespace

void pseudonyms::hide(std::string_view name)
{
    if (std::ranges::any_of(name, is_word_character))
        names_.try_emplace(std::string{name}, "name-" + std::to_string(names_.size() + 1));
}

void pseudonyms::hide_path(std::string_view path)
{
    while (!path.empty()) {
        const auto part = path.substr(0, path.find('/'));
        path.remove_prefix(std::min(part.size() + 1, path.size()));
        if (part.find_first_not_of(digits) != part.npos &&
            std::ranges::find(usual_directories, part) == std::end(usual_directories))
            hide(part);
    }
}

std::string pseudonyms::without_names(std::string_view text) const
{
    std::string out;
    while (!text.empty()) {
        std::string_view longest, instead;
        const bool begins_word = out.empty() || !is_word_character(out.back());
        for (const auto& [name, stand_in] : names_)
            if (begins_word && name.size() > longest.size() && text.starts_with(name) &&
                (text.size() == name.size() || !is_word_character(text[name.size()]))) {
                longest = name;
                instead = stand_in;
            }
        out.append(longest.empty() ? text.substr(0, 1) : instead);
        text.remove_prefix(std::max<std::size_t>(longest.size(), 1));
    }
    return out;
}

ip_address pseudonyms::stand_in(const ip_address& address) const
{
    if (is_nobodys(address))
        return address;
    const auto* beginning = std::ranges::find_if(kept, [&](const kept_beginning& k) { return k.of.contains(address); });
    auto octets = address.octets();
    for (unsigned bit = beginning->bits; bit < 128; ++bit) {
        const auto hash = siphash(key_, bytes_view{leading_bits(address, bit)});
        if (bit == beginning->bits || (hash & 1) != 0)
            octets[bit / 8] = static_cast<octet>(octets[bit / 8] ^ 0x80U >> bit % 8);
    }
    return ip_address{octets};
}

const std::string& pseudonyms::stand_in(const mac_address& address)
{
    mac_address instead{{0x02, 0, 0, 0, 0, 0}}; // locally administered
    const auto number = macs_.size() + 1;
    instead.octets[4] = static_cast<octet>(number >> 8);
    instead.octets[5] = static_cast<octet>(number);
    return macs_.try_emplace(to_text(address), to_text(instead)).first->second;
}

/// Of a run of characters that addresses consist of: at each place the longest one.
std::string pseudonyms::without_addresses(std::string_view run, std::string_view behind)
{
    std::string out;
    while (!run.empty()) {
        std::size_t length = std::min(run.size(), longest_address);
        for (; length > 1; --length) {
            const auto part = run.substr(0, length);
            if (const auto mac = parse_mac(part); mac && !mac->is_multicast() && !mac->is_zero()) {
                out += stand_in(*mac);
                break;
            }
            const auto address = parse_ip(part);
            if (!address)
                continue;
            const auto mask = length_in(length == run.size() ? behind : run.substr(length), address->is_v4());
            const auto instead = stand_in(*address);
            const bool is_network = mask && prefix{*address, *mask}.network() == *address;
            out += to_text(is_network ? prefix{instead, *mask}.network() : instead);
            break;
        }
        if (length <= 1)
            out += run.front();
        run.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return out;
}

std::string pseudonyms::replaced(std::string_view text)
{
    const auto named = without_names(text);
    std::string out;
    for (std::string_view rest = named; !rest.empty();) {
        const auto length = std::min(rest.find_first_not_of(address_characters), rest.size());
        const auto run = rest.substr(0, length);
        rest.remove_prefix(length);
        const bool may_be = run.find(':') != run.npos || std::ranges::count(run, '.') >= 3;
        out += may_be ? without_addresses(run, rest) : std::string{run};
        if (!rest.empty()) {
            const auto other = std::min(rest.find_first_of(address_characters), rest.size());
            out += rest.substr(0, other);
            rest.remove_prefix(other);
        }
    }
    return out;
}

} // namespace tapioca::client
