// Namespaces by descriptor; read namespaces(7) first.
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"

#include <string>

namespace tapioca::os {

/// Opens a namespace file for reading, under a number behind standard error's.
[[nodiscard]] result<unique_fd> open_namespace(const std::string& path) noexcept;

/// The calling thread changes to the network namespace. Throws std::system_error.
void join_network_namespace(int fd);

} // namespace tapioca::os
