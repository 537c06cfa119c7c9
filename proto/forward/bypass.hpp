// Traffic that goes past the tap, from the loopback interface of one side to that of the other: where it leads, and when it would
// lead back to where it came from.
//
//     the client asked                          the server is looked for at
//     the namespace's loopback                  the same loopback address of the host
//     the host's loopback, if same_loopback     the same loopback address of the namespace
//     anything else, from the host's loopback   the namespace's public address, or its loopback as long as none is known
//
// Without `same_loopback`, servers of the namespace that listen on its loopback alone stay its own.
#pragma once

#include "proto/forward/address_map.hpp"
#include "proto/forward/forward_rule.hpp"

#include <optional>

namespace tapioca {

/// A rule, other than one that scans, whose sockets take what is sent to this loopback address and port of its side; null if
/// there is none.
[[nodiscard]] const forward_rule* rule_on_loopback(const forward_rules& rules, octet protocol, const ip_address& address,
                                                   std::uint16_t port) noexcept;

/// A client, what it asked, and the port that the rule makes of it.
struct bypass_request {
    rule_side side = rule_side::host; ///< where the client is
    octet protocol = 0;
    ip_address client, asked;
    std::uint16_t server_port = 0;
};

/// Where the server of the other side is. Nothing if the traffic must not leave its loopback interface, or if the namespace's
/// loopback is all that is known of it and one of `guest_rules` listens there: nobody else can.
[[nodiscard]] std::optional<ip_address> bypass_destination(const bypass_request& request, bool same_loopback,
                                                           const guest_addresses& guest,
                                                           const forward_rules& guest_rules) noexcept;

/// Where the server may be instead, if nobody listens at `tried`: `localhost` is an address of each family, and a server may have
/// one of them only. Nothing if a rule of ours may listen there, through which the connection could come back.
[[nodiscard]] std::optional<ip_address> other_bypass_destination(const bypass_request& request, const ip_address& tried,
                                                                 bool same_loopback, const guest_addresses& guest,
                                                                 const forward_rules& host_rules,
                                                                 const forward_rules& guest_rules) noexcept;

/// Two rules through which a connection would come back to the host's loopback port that it was made to.
struct rule_circle {
    forward_rule there, back;
};

/// A circle that rules make if the host's loopback leads to the namespace's. Rules that scan make none: they ignore our sockets.
[[nodiscard]] std::optional<rule_circle> find_circle(const forward_rules& host, const forward_rules& guest) noexcept;

} // namespace tapioca
