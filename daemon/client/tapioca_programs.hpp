// Where the callers of pasta and passt look for them, and what they find there.
#pragma once

#include "daemon/client/tapioca_machine.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace tapioca::client {

/// The directories that Podman and Buildah look into for their helpers once they have read a containers.conf(5) with this text:
/// the file's `helper_binaries_dir` in place of `before`, or behind it where that says {append=true}.
[[nodiscard]] std::vector<std::string> helper_directories(std::string_view text, std::vector<std::string> before);

/// The directories of a variable like $PATH.
[[nodiscard]] std::vector<std::string> directories_of(std::string_view path);

/// The first regular file of this name that may be executed; empty for none.
[[nodiscard]] std::string find_program(const std::vector<std::string>& directories, std::string_view name);

/// Podman, RootlessKit, libvirt, and the user's shell. Runs what it finds with --version, for two seconds at most each.
[[nodiscard]] std::vector<caller_facts> read_callers();

} // namespace tapioca::client
