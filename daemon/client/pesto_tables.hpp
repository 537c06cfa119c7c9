// What pesto does to the tables that the server has told of, and how it shows them.
#pragma once

#include "daemon/client/pesto_command.hpp"
#include "proto/control/pesto.hpp"
#include "proto/forward/port_spec.hpp"

#include <string>
#include <vector>

namespace tapioca::client {

struct table_change {
    bool to_be_sent = false;
    std::string warnings; ///< lines
};

/// Follows the steps in their order. Throws early_exit at the first that cannot be followed. Rules that are there already are not
/// added, and where nothing else was asked for nothing needs to be sent.
[[nodiscard]] table_change change_tables(pesto::pif_list& pifs, const std::vector<pesto_step>& steps,
                                         const port_range& ephemeral);

/// A title, and below it the interfaces with their rules, a line each.
[[nodiscard]] std::string show_tables(const std::string& title, const pesto::pif_list& pifs);

/// What was received of an interface, for --debug.
[[nodiscard]] std::string debug_lines(const pesto::pif& received);

/// A rule in upstream's very characters: a blank stands behind the ports.
[[nodiscard]] std::string shown(const forward_rule& rule);

} // namespace tapioca::client
