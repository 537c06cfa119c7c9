// What names a flow on the guest's side: both endpoints as the guest knows them, and the protocol.
#pragma once

#include "proto/base/address.hpp"

namespace tapioca {

struct flow_key {
    ip_address guest, remote;
    be16 guest_port = 0, remote_port = 0; ///< for echo: the identifier, and 0
    octet protocol = 0;

    constexpr bool operator==(const flow_key& other) const noexcept
    {
        return guest == other.guest && remote == other.remote && guest_port == other.guest_port &&
               remote_port == other.remote_port && protocol == other.protocol;
    }
};
static_assert(sizeof(flow_key) == 37 && wire_header<flow_key>);

} // namespace tapioca
