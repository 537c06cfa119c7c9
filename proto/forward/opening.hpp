// Where a new flow goes: asked once for each, before there is anything of it, whatever its protocol and whoever begins it. What a
// flow needs to know of the way to its peer later is asked here, too.
#pragma once

#include "proto/base/result.hpp"
#include "proto/flow/head.hpp"
#include "proto/forward/address_mapping.hpp"
#include "proto/policy/egress_policy.hpp"

#include <memory>
#include <string_view>

namespace tapioca {

/// What the decision is made from.
struct forwarding {
    tapioca::address_map address_map;
    ip_address outbound4, outbound6; ///< that sockets are bound to; unspecified: the kernel chooses
    fixed_string<15> outbound_if4, outbound_if6;
    unsigned scope6 = 0;                         ///< interface of link-local destinations
    forward_rules host_rules, guest_rules;       ///< of listening sockets on the host; of those on the namespace's loopback
    bool splice = false;                         ///< loopback traffic goes from socket to socket
    bool host_loopback_to_namespace = false;     ///< host's loopback leads to the namespace's loopback, not to its public address
    bool splice_only = false;                    ///< there is no tap
    std::shared_ptr<const egress_policy> egress; ///< null: the guest may go anywhere
    std::shared_ptr<const host_places> places;   ///< with a policy never null: for its classes
};

/// How a socket of the host reaches an address.
struct host_path {
    ip_address from;            ///< that it is bound to; unspecified: the kernel chooses
    std::string_view interface; ///< likewise; empty: any
    unsigned scope = 0;         ///< of a link-local address or group (RFC 4007 section 6)
};
[[nodiscard]] host_path path_to(const forwarding& f, const ip_address& to) noexcept;

struct outbound_opening {
    endpoint to;            ///< whom it really leads to
    egress_verdict verdict; ///< it begins only if that passes
};
/// A flow of the guest's. The reason why it may not begin whatever the policy says: a port that is zero, an address that cannot
/// be answered, a group over anything but UDP, or our name service while there is no resolver.
[[nodiscard]] parsed<outbound_opening> decide_outbound(const forwarding& f, const flow_key& key, instant now) noexcept;

/// What reached a listening socket.
struct arrival {
    rule_side side = rule_side::host; ///< where it listens
    const forward_rule& rule;
    std::uint16_t port = 0; ///< its own
    endpoint peer;
    ip_address to; ///< what the peer asked; unspecified: whatever address
};

enum class flow_way : std::uint8_t { tap, bypass };

[[nodiscard]] flow_way way_of(const forwarding& f, const arrival& a) noexcept;
/// Whether `to` must be known to decide about a connection.
[[nodiscard]] bool depends_on_address(const forwarding& f, const arrival& a) noexcept;

struct inbound_opening {
    flow_way way = flow_way::tap;
    inbound seen;           ///< over the tap: what the guest sees
    endpoint server;        ///< past it: on the other side
    egress_verdict verdict; ///< if the guest asked: it begins only if that passes
};
/// Nothing but a reason if there is no such way, or it would lead back.
[[nodiscard]] parsed<inbound_opening> decide_inbound(const forwarding& f, const arrival& a, const guest_addresses& guest,
                                                     instant now) noexcept;

} // namespace tapioca
