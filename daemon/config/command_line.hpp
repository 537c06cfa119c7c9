// The command line of passt and pasta as options. Three steps: getopt's rules make ordered words of argv, CLI11 hands each word
// to the meaning that the option table gives it, and what needs all of them is settled last.
#pragma once

#include "daemon/config/early_exit.hpp"
#include "daemon/config/options.hpp"
#include "daemon/config/port_rules.hpp"

#include <span>

namespace tapioca {

/// `argv` as main gets it, without the null pointer at its end; nothing behind the first argument that is no option is
/// interpreted. Throws early_exit for --help and its like, and for every command line that cannot be followed.
[[nodiscard]] options parse_command_line(std::span<const char* const> argv, const port_facts& facts);

} // namespace tapioca
