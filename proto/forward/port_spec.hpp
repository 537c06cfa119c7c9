// The value of -t, -u, -T and -U: which ports are forwarded.
//
//   SPEC   := "none" | [ BIND "/" ] CHUNK { "," CHUNK }
//   BIND   := [ ADDR | "*" ] [ "%" INTERFACE ]
//   CHUNK  := "all" [ ":" ADDR ] | "auto" | "~" PORTS | PORTS [ ":" TARGET ]
//   TARGET := PORTS | ADDR "/" PORTS | ADDR
//   PORTS  := PORT [ "-" PORT ]
//   ADDR   := IPv4 or IPv6 text, with or without brackets
//
// Each chunk of ports is a rule, cut where ~ takes ports out, in the order of the text. Without such a chunk, all ports but those
// that the kernel gives to sockets of its own choice are meant, as far as they are free ("best effort"). "auto" makes every rule
// of the value follow what the other side listens on.
#pragma once

#include "proto/forward/rule_table.hpp"

#include <string_view>

namespace tapioca {

struct port_range {
    std::uint16_t first = 0, last = 0;
};

struct port_spec_context {
    octet protocol = 0; ///< wire::protocol_tcp or wire::protocol_udp
    rule_side side = rule_side::host;
    enabled_protocols enabled;
    port_range ephemeral{49152, 65535}; ///< not part of "all"; RFC 6335 section 6
    bool auto_allowed = true;
    bool device_binding = true; ///< SO_BINDTODEVICE is open to us; without it the guest's loopback is meant by its two addresses
};

enum class spec_fault : std::uint8_t {
    syntax,           ///< `part` is none of the grammar
    interface_name,   ///< no interface can be called `part`
    auto_refused,     ///< there is nobody to tell what the other side listens on
    address_refused,  ///< rules of the guest's side listen on its loopback
    none_after_rules, ///< "none" takes nothing back
    device_binding,   ///< an interface without a way to bind to it
    rule,             ///< see `rule`
};

struct spec_refusal {
    spec_fault why = spec_fault::syntax;
    std::string_view part; ///< of the value
    rule_refusal rule;
};

/// Adds the rules of `spec` to `table`; nothing on success, and an unchanged table otherwise.
[[nodiscard]] std::optional<spec_refusal> add_port_spec(forward_rules& table, std::string_view spec,
                                                        const port_spec_context& context) noexcept;

} // namespace tapioca
