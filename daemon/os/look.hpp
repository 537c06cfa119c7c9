// Looks at paths without allocating: what a symbolic link leads to, and what stands in a file.
#pragma once

#include "daemon/os/error.hpp"

#include <span>
#include <string_view>

namespace tapioca::os {

/// Where the link leads. EINVAL: it is no link. ENAMETOOLONG: there is no room for it.
[[nodiscard]] result<std::string_view> read_link(const char* path, std::span<char> into) noexcept;

/// What stands in a regular file, as far as there is room for it. ENODEV: it is no file.
[[nodiscard]] result<std::string_view> read_file(const char* path, std::span<char> into) noexcept;

} // namespace tapioca::os
