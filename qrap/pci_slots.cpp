#include "qrap/pci_slots.hpp"

#include <charconv>

namespace tapioca::qrap {

namespace {

// The first scheme is that of machines that are not in the table. On Q35 each PCIe root port is a bus of its own, numbered in
// decimal; slots of the one bus of the older PC and device numbers of the channel subsystem are hexadecimal.
constexpr std::array<address_scheme, 3> schemes{{
    {"pc-q35", "virtio-net-pci", {{{"bus", "pci."}, {"addr", "0x0"}}}, 0, 10, 3, 30},
    {"pc-", "virtio-net-pci", {{{"bus", "pci.0"}, {"addr", "0x"}}}, 1, 16, 2, 30},
    {"s390-ccw", "virtio-net-ccw", {{{"devno", "fe.0."}, {}}}, 0, 16, 1, 15},
}};

constexpr std::string_view hexadecimal_prefix = "0x";

std::optional<std::string_view> plain_property(std::string_view device, std::string_view key) noexcept
{
    std::optional<std::string_view> found;
    while (true) {
        const auto comma = device.find(',');
        const auto item = device.substr(0, comma);
        // As in QEMU, the last of several decides. A doubled comma is part of a value: what follows it cannot be told from a
        // property here, and addresses hold no commas.
        if (item.size() > key.size() && item.starts_with(key) && item[key.size()] == '=')
            found = item.substr(key.size() + 1);
        if (comma == device.npos)
            return found;
        device.remove_prefix(comma + 1);
    }
}

/// What is behind `mark` and the white space in front of it.
std::optional<std::string_view> behind(std::string_view text, char mark) noexcept
{
    const auto at = text.find_first_not_of(" \t\r\n");
    if (at == text.npos || text[at] != mark)
        return {};
    return text.substr(at + 1);
}

std::optional<std::string_view> json_property(std::string_view device, std::string_view key) noexcept
{
    // A quotation mark inside a string is escaped, so a key in bare quotation marks is a key or a whole value. The brace comes
    // first, so there is an octet in front of a key, and another one in front of its quotation mark.
    for (auto at = device.find(key); at != device.npos; at = device.find(key, at + 1)) {
        const auto rest = device.substr(at + key.size());
        if (device[at - 1] != '"' || device[at - 2] == '\\' || !rest.starts_with('"'))
            continue;
        const auto colon = behind(rest.substr(1), ':');
        const auto value = colon ? behind(*colon, '"') : std::nullopt;
        if (value && value->find('"') != value->npos)
            return value->substr(0, value->find('"'));
    }
    return {};
}

} // namespace

const address_scheme& scheme_for(std::string_view machine) noexcept
{
    for (const auto& scheme : schemes)
        if (machine.starts_with(scheme.machine))
            return scheme;
    return schemes.front();
}

std::optional<std::string_view> property(std::string_view device, std::string_view key) noexcept
{
    return spelling_of(device) == spelling::json ? json_property(device, key) : plain_property(device, key);
}

std::optional<unsigned> slot_of(const address_scheme& scheme, std::string_view device) noexcept
{
    for (std::size_t i = 0; i < scheme.numbered; ++i)
        if (property(device, scheme.properties[i].key) != scheme.properties[i].value)
            return {};

    auto text = property(device, scheme.properties[scheme.numbered].key).value_or("");
    auto prefix = scheme.properties[scheme.numbered].value;
    if (prefix == hexadecimal_prefix && !text.starts_with(prefix))
        prefix = ""; // QEMU reads the slot as hexadecimal with and without
    if (!text.starts_with(prefix))
        return {};
    text.remove_prefix(prefix.size());

    unsigned slot = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), slot, scheme.base);
    if (error != std::errc{})
        return {};
    return slot;
}

std::string address_text(const address_scheme& scheme, unsigned slot, spelling how)
{
    std::array<char, 12> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), slot, scheme.base).ptr;
    const std::string_view number{digits.data(), static_cast<std::size_t>(end - digits.data())};

    const bool json = how == spelling::json;
    std::string text;
    for (std::size_t i = 0; i < scheme.properties.size() && !scheme.properties[i].key.empty(); ++i) {
        const auto& [key, value] = scheme.properties[i];
        text += i == 0 ? "" : ",";
        text.append(json ? "\"" : "").append(key).append(json ? "\":\"" : "=").append(value);
        text.append(i == scheme.numbered ? number : "").append(json ? "\"" : "");
    }
    return text;
}

} // namespace tapioca::qrap
