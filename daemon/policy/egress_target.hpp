// Whom a rule of an egress policy speaks of, as a text: HOST[:PORTS][/PROTOCOL].
//
//   HOST     := NAME | "*." NAME | IPv4 | IPv4 "/" LENGTH | "[" IPv6 "]" | "[" IPv6 "]/" LENGTH | IPv6 "/" LENGTH | "@" CLASS
//   PORTS    := PORT [ "-" PORT ] { "," PORT [ "-" PORT ] }
//   PROTOCOL := "tcp" | "udp" | "echo"
#pragma once

#include "daemon/policy/domain_name.hpp"
#include "proto/policy/egress_rule.hpp"

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tapioca {

enum class egress_protocol : std::uint8_t { any, tcp, udp, echo };

struct name_pattern {
    std::string name;   ///< as egress_name_rule has it
    bool below = false; ///< `*.name`
    bool operator==(const name_pattern&) const = default;
};

using egress_host = std::variant<name_pattern, prefix, address_class>;

struct egress_target {
    egress_host host;
    std::vector<egress_ports> ports; ///< without gaps and overlaps in ascending order; empty: all
    egress_protocol protocol = egress_protocol::any;
    bool private_addresses = false; ///< of a name: its addresses need not be public
    bool operator==(const egress_target&) const = default;
};

/// What is wrong with a text, and what would be right.
struct target_fault {
    std::string what, cure;
};

template <class T>
using target_or_fault = std::variant<T, target_fault>;

[[nodiscard]] target_or_fault<egress_target> parse_target(std::string_view text, name_libraries use = name_libraries::may_load);
/// Parts of it, for rules that are tables.
[[nodiscard]] target_or_fault<egress_host> parse_name_pattern(std::string_view text,
                                                              name_libraries use = name_libraries::may_load);
[[nodiscard]] target_or_fault<egress_host> parse_network(std::string_view text);
[[nodiscard]] target_or_fault<std::vector<egress_ports>> parse_ports(std::string_view text);
/// In ascending order, and as few as possible.
[[nodiscard]] std::vector<egress_ports> merged_ports(std::vector<egress_ports> ranges);
[[nodiscard]] target_or_fault<egress_protocol> parse_protocol(std::string_view word);

/// The same in one way for all spellings: parse_target reads it, but for `private_addresses`.
[[nodiscard]] std::string to_text(const egress_target& target);

/// What judges by it: the protocols of IP and the ports, one value for each combination.
[[nodiscard]] std::vector<egress_service> services_of(const egress_target& target);

} // namespace tapioca
