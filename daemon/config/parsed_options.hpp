// A command line that is being read: the options so far, and what is only needed until all of them are known.
#pragma once

#include "daemon/config/early_exit.hpp"
#include "daemon/config/options.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tapioca {

/// -t, -u, -T or -U; what it means depends on options that may follow it.
struct port_option {
    char letter;
    std::string text;
};

struct parsed_options {
    options opts;
    std::string_view program; ///< argv[0]
    bool vhost_user = false;  ///< --vhost-user was given
    std::optional<std::string> netns;
    std::optional<std::uint8_t> cidr_length4, netmask_length4;
    bool mtu_given = false, ipv4_only_given = false, ipv6_only_given = false;
    std::vector<port_option> port_options; ///< in the order of the command line
    std::vector<std::string>
        refused; ///< what this build cannot do yet; decided last, so that --version answers a caller that probes
};

} // namespace tapioca
