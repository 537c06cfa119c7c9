#include "qrap/arguments.hpp"

#include <algorithm>
#include <climits>
#include <cstdlib>

namespace tapioca::qrap {

namespace {

constexpr std::array<std::string_view, 5> network_drivers{"virtio-net-pci", "virtio-net-ccw", "e1000", "e1000e", "rtl8139"};

enum class option : std::uint8_t { other, network, device, machine };

/// QEMU takes its options with one dash and with two.
option option_of(std::string_view word) noexcept
{
    if (!word.starts_with('-'))
        return option::other;
    word.remove_prefix(word.starts_with("--") ? 2 : 1);
    if (word == "netdev" || word == "net" || word == "nic")
        return option::network;
    if (word == "device")
        return option::device;
    return word == "machine" || word == "M" ? option::machine : option::other;
}

/// The comma behind the name is asked for: a device without properties has no back-end, and stays.
bool is_network_device(std::string_view device) noexcept
{
    constexpr std::string_view json_start = "{\"driver\":\"";
    const bool json = device.starts_with(json_start);
    if (json)
        device.remove_prefix(json_start.size());
    return std::any_of(network_drivers.begin(), network_drivers.end(), [&](std::string_view driver) {
        return device.starts_with(driver) && device.substr(driver.size()).starts_with(json ? "\"," : ",");
    });
}

struct kept_arguments {
    std::vector<std::string> arguments;
    std::vector<std::string_view> devices; ///< values of -device among them
    std::string_view machine;
};

kept_arguments without_network(const std::vector<std::string>& arguments)
{
    kept_arguments kept;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const auto kind = option_of(arguments[i]);
        const bool has_value = i + 1 < arguments.size();
        const std::string_view value = has_value ? std::string_view{arguments[i + 1]} : std::string_view{};
        if (kind == option::network || (kind == option::device && is_network_device(value))) {
            ++i;
            continue;
        }
        kept.arguments.push_back(arguments[i]);
        if (kind == option::other || !has_value)
            continue;
        kept.arguments.push_back(arguments[++i]);
        if (kind == option::device)
            kept.devices.push_back(value);
        else
            kept.machine = value;
    }
    return kept;
}

std::string network_device(const address_scheme& scheme, unsigned slot, spelling how)
{
    const auto address = address_text(scheme, slot, how);
    const std::string driver{scheme.driver};
    if (how == spelling::json)
        return "{\"driver\":\"" + driver + "\"," + address + ",\"netdev\":\"hostnet0\",\"x-txburst\":4096}";
    return driver + "," + address + ",netdev=hostnet0,x-txburst=4096";
}

std::string network_backend(spelling how)
{
    const auto fd = std::to_string(rewritten_descriptor);
    if (how == spelling::json)
        return "{\"type\":\"socket\",\"fd\":\"" + fd + "\",\"id\":\"hostnet0\"}";
    return "socket,fd=" + fd + ",id=hostnet0";
}

} // namespace

std::optional<int> descriptor_number(std::string_view word)
{
    const std::string text{word};
    char* end = nullptr;
    // What is too large for a long becomes the largest, which is refused as well.
    const long number = std::strtol(text.c_str(), &end, 0);
    if (end == text.c_str() || *end != '\0' || number < 3 || number >= INT_MAX)
        return {};
    return static_cast<int>(number);
}

rewriting rewrite(const std::vector<std::string>& arguments)
{
    auto kept = without_network(arguments);
    rewriting result;
    result.scheme = &scheme_for(kept.machine);
    result.has_devices = !kept.devices.empty();

    slot_map slots;
    for (const auto device : kept.devices)
        if (const auto slot = slot_of(*result.scheme, device)) {
            slots.take(*slot);
            if (spelling_of(device) == spelling::json)
                result.how = spelling::json;
        }

    result.arguments = std::move(kept.arguments);
    if (result.has_devices) {
        result.slot = slots.first_free(*result.scheme);
        if (!result.slot)
            return result;
        result.arguments.insert(result.arguments.end(), {"-device", network_device(*result.scheme, *result.slot, result.how)});
    }
    result.arguments.insert(result.arguments.end(), {"-netdev", network_backend(result.how)});
    return result;
}

} // namespace tapioca::qrap
