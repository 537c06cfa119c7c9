// Where on the guest's buses a network device fits: how each type of machine addresses its devices, and which addresses are
// taken.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tapioca::qrap {

struct address_property {
    std::string_view key, value; ///< no key: there is no such property
};

/// One or two properties of a -device; the value of one of them ends in the number that tells devices apart.
struct address_scheme {
    std::string_view machine; ///< the value of -machine begins so
    std::string_view driver;  ///< of the network device
    std::array<address_property, 2> properties;
    std::size_t numbered; ///< which property the number is appended to
    int base;             ///< of the number: 10 or 16
    unsigned first, last; ///< the numbers to choose from; lower ones belong to devices that the machine brings along
};

/// The scheme of a machine; of a Q35 machine if its type is not known.
[[nodiscard]] const address_scheme& scheme_for(std::string_view machine) noexcept;

/// QEMU takes the value of -device (and of -netdev) as `driver,key=value,...` and as a JSON object.
enum class spelling : std::uint8_t { plain, json };
[[nodiscard]] constexpr spelling spelling_of(std::string_view device) noexcept
{
    return device.starts_with('{') ? spelling::json : spelling::plain;
}

/// The value of a property of a -device. Of a JSON object only properties that are strings are found.
[[nodiscard]] std::optional<std::string_view> property(std::string_view device, std::string_view key) noexcept;

/// The number in the address of a -device, if it has one by this scheme.
[[nodiscard]] std::optional<unsigned> slot_of(const address_scheme& scheme, std::string_view device) noexcept;

/// The properties that give a device this number, as they stand inside the value of a -device.
[[nodiscard]] std::string address_text(const address_scheme& scheme, unsigned slot, spelling how);

/// The numbers that are taken: 0 to 31, as a PCI bus has no more slots. Others meet no candidate, and are let be.
class slot_map {
public:
    void take(unsigned slot) noexcept
    {
        if (slot < 32)
            taken_ |= std::uint32_t{1} << slot;
    }
    [[nodiscard]] constexpr bool taken(unsigned slot) const noexcept { return slot < 32 && (taken_ >> slot & 1) != 0; }
    [[nodiscard]] std::optional<unsigned> first_free(const address_scheme& scheme) const noexcept
    {
        for (unsigned slot = scheme.first; slot <= scheme.last; ++slot)
            if (!taken(slot))
                return slot;
        return {};
    }

private:
    std::uint32_t taken_ = 0;
};

} // namespace tapioca::qrap
