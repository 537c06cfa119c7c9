// Why a flow has ended: what events and counters say.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tapioca {

enum class end_reason : std::uint8_t {
    finished,         ///< both sides have ended it
    idle,             ///< datagrams or echo: nobody has said anything for long enough
    reset_by_guest,   ///< or by whoever is in the namespace, past the tap
    reset_by_peer,    ///< or by the network on the way to it
    refused_by_guest, ///< nobody listens there
    connect_failed,   ///< the host, or whoever is asked past the tap, does not connect
    guest_silent,     ///< it has acknowledged nothing, or said nothing, for too long
    peer_silent,      ///< it has taken nothing of what it was to have, for too long
    displaced,        ///< by a newer one, for want of room
    replaced,         ///< the peer has used its port for another connection
    socket_failed,    ///< no socket could be had for it, or its own became useless
    quarantined,      ///< its state made no sense
    on_request,       ///< of whoever runs the program
    address_gone,     ///< the host has not its address any more
    egress_denied,    ///< the egress policy does not let the guest reach that, or not under that server name
    egress_limit,     ///< the quota of the egress policy has been used up
    migrated,         ///< it goes on at another host, with its guest
    count_
};

inline constexpr std::size_t end_reason_count = static_cast<std::size_t>(end_reason::count_);

inline constexpr std::array<std::string_view, end_reason_count> end_reason_names = {
    "finished",     "idle",         "reset_by_guest", "reset_by_peer", "refused_by_guest", "connect_failed",
    "guest_silent", "peer_silent",  "displaced",      "replaced",      "socket_failed",    "quarantined",
    "on_request",   "address_gone", "egress_denied",  "egress_limit",  "migrated",
};
static_assert(!end_reason_names.back().empty());

} // namespace tapioca
