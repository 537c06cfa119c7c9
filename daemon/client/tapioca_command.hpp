// The command line of tapioca: a command, and options and operands in any order behind it.
#pragma once

#include "daemon/config/option_table.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace tapioca::client {

enum class subcommand : std::uint8_t { ps, flows, drops, rules, end, metrics };

struct tapioca_command {
    subcommand what = subcommand::ps;
    bool json = false;
    std::optional<std::string> path; ///< of one instance's control socket
    std::optional<pid_t> pid;        ///< of one instance
    std::string flow;                ///< for end
};

[[nodiscard]] std::span<const option_entry> tapioca_options() noexcept;

/// Their names, in the order of --help.
[[nodiscard]] std::vector<std::string_view> tapioca_commands();

/// Throws early_exit: for --help, --version, and, with status 2, what cannot be followed.
[[nodiscard]] tapioca_command parse_tapioca_command(std::span<const char* const> argv);

} // namespace tapioca::client
