// The command line of pesto, by the rules of getopt_long(3): options may stand behind the socket's path.
#pragma once

#include "daemon/config/option_table.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tapioca::client {

/// What the command line asks to be done to the tables, in its order.
struct pesto_step {
    enum class kind : std::uint8_t { add, remove, clear, ports };
    kind what = kind::add;
    char letter = '\0';    ///< of a kind::ports: t, u, T or U
    std::string_view text; ///< the ports, or the interface to be cleared
};

struct pesto_command {
    std::string path; ///< of the socket
    bool show = false, debug = false;
    std::vector<pesto_step> steps;
};

[[nodiscard]] std::span<const option_entry> pesto_options() noexcept;

/// Throws early_exit: for --help, --version and what cannot be followed.
[[nodiscard]] pesto_command parse_pesto_command(std::span<const char* const> argv);

} // namespace tapioca::client
