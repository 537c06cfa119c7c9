// The value of -t, -u, -T and -U, in the forms that need no rule table: `none`, or a list of PORT and PORT-PORT.
#pragma once

#include "daemon/config/options.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tapioca {

struct port_list {
    enum class kind : std::uint8_t {
        none,        ///< the word itself
        ports,       ///< `ranges`: ascending, disjoint, adjacent ones joined
        unsupported, ///< a form that this build lacks: addresses, interfaces, exclusions, other ports on the guest's side, auto,
                     ///< all
        port_zero,   ///< a port, or the start of a range, is 0
        invalid,
    };
    kind what = kind::invalid;
    std::vector<port_range> ranges;
};

/// A range that leads to the same ports (`80-81:80-81`, as container engines write it) is one of PORT-PORT.
[[nodiscard]] port_list parse_port_list(std::string_view text);

/// As rules are shown in messages: "TCP [*]:80-81  =>  80-81".
[[nodiscard]] std::string to_text(std::string_view protocol, const port_range& range);

} // namespace tapioca
