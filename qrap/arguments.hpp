// What qrap makes of its command line: values in, values out.
#pragma once

#include "qrap/pci_slots.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tapioca::qrap {

/// QEMU finds the socket at this descriptor when its arguments were rewritten.
inline constexpr int rewritten_descriptor = 5;

/// FDNUM of the form `qrap FDNUM QEMU_CMD ARG...`: what strtol reads with base 0, from 3 on and below INT_MAX.
[[nodiscard]] std::optional<int> descriptor_number(std::string_view word);

struct rewriting {
    std::vector<std::string> arguments; ///< for QEMU
    const address_scheme* scheme = nullptr;
    spelling how = spelling::plain;
    bool has_devices = false; ///< without any -device of the caller, no network device is added either
    std::optional<unsigned>
        slot; ///< of the network device. None although there are devices: all are taken, and nothing was added
};

/// Takes network back-ends and network devices out of the arguments of QEMU (without its name), and adds those of the socket.
[[nodiscard]] rewriting rewrite(const std::vector<std::string>& arguments);

} // namespace tapioca::qrap
