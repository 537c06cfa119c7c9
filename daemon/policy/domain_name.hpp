// Names of the domain name system as policies write them.
#pragma once

#include "daemon/os/shared_library.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace tapioca {

/// Why a text is no name.
struct name_fault {
    std::string what, cure;
};

/// Whether a library may be loaded: after sealing it cannot, and trying would end the process.
enum class name_libraries : std::uint8_t { may_load, stay_out };

/// A-labels in lower case without a dot at the end (RFC 1035 section 2.3, RFC 5891); names that are not ASCII need libidn2, and
/// are refused where there is none. Underscores are taken, as names of services have them.
[[nodiscard]] std::variant<std::string, name_fault> parse_domain_name(std::string_view text,
                                                                      name_libraries use = name_libraries::may_load);

/// Names below which whoever registers there lets strangers have theirs, as "com" and "github.io": the list of libpsl, which is
/// loaded for the first question. Where there is none, no name is of it.
class public_suffixes {
public:
    [[nodiscard]] bool has(const std::string& name);

private:
    std::optional<os::shared_library> library_;
};

} // namespace tapioca
