// The command line of tapioca: a command, and options and operands in any order behind it.
#pragma once

#include "daemon/client/flow_expression.hpp"
#include "daemon/client/tapioca_metrics_server.hpp"
#include "daemon/client/tapioca_policy.hpp"
#include "daemon/client/tapioca_rule_change.hpp"
#include "daemon/client/tapioca_subcommand.hpp"
#include "daemon/config/option_table.hpp"

#include <optional>
#include <span>
#include <string>
#include <sys/types.h>

namespace tapioca::client {

struct tapioca_command {
    const subcommand* what = nullptr; ///< never null once it is parsed
    bool json = false;
    bool info = false;      ///< flows: what the kernel knows of connections
    flow_expression filter; ///< flows
    bool anonymous = false; ///< stand-ins for addresses and names
    bool openmetrics = false;
    std::optional<listen_place> listen; ///< where metrics are served
    std::optional<std::string> path;    ///< of one instance's control socket
    std::optional<pid_t> pid;           ///< of one instance
    std::string program;                ///< upgrade: its path; empty: that of the instance
    std::string name;                   ///< of instances: that of a namespace, a machine, or a socket
    std::string operand;                ///< that the sub-command needs
    rule_change rules;                  ///< for rules
    policy_action policy;               ///< for policy
};

[[nodiscard]] std::span<const option_entry> tapioca_options() noexcept;

/// Throws early_exit: for --help, --version, and, with status 2, what cannot be followed.
[[nodiscard]] tapioca_command parse_tapioca_command(std::span<const char* const> argv);

} // namespace tapioca::client
