// The sub-commands of tapioca, once: the command line, --help, completions and main read this table. Each one's work is in a file
// of its own.
#pragma once

#include <span>
#include <string_view>

namespace tapioca::client {

struct tapioca_command;

struct subcommand {
    std::string_view name;
    std::string_view operand; ///< that it needs in front of an instance's name, as --help shows it; empty: none
    std::string_view options; ///< long names of those that it takes, each with a blank behind it; an instance's name with control
    std::string_view help;
    int (*run)(const tapioca_command&); ///< the exit status; throws control_failure
};

/// In the order of --help.
[[nodiscard]] std::span<const subcommand> subcommands() noexcept;

int run_ps(const tapioca_command& command);
int run_flows(const tapioca_command& command);
int run_watch(const tapioca_command& command);
int run_drops(const tapioca_command& command);
int run_dns(const tapioca_command& command);
int run_rules(const tapioca_command& command);
int run_end(const tapioca_command& command);
int run_upgrade(const tapioca_command& command);
int run_metrics(const tapioca_command& command);
/// Without options, which only those have whose command line begins with the word: tapioca_capture.hpp.
int run_capture(const tapioca_command& command);
int run_doctor(const tapioca_command& command);
int run_report(const tapioca_command& command);
int run_policy(const tapioca_command& command);
int run_why(const tapioca_command& command);

} // namespace tapioca::client
