// What names a flow on the guest's side: both endpoints as the guest knows them, and the protocol.
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/siphash.hpp"

namespace tapioca {

struct flow_key {
    ip_address guest, remote;
    be16 guest_port = 0, remote_port = 0; ///< for echo: the identifier, and 0
    octet protocol = 0;

    constexpr bool operator==(const flow_key& other) const noexcept
    {
        return guest == other.guest && remote == other.remote && guest_port == other.guest_port && remote_port == other.remote_port &&
               protocol == other.protocol;
    }
};
static_assert(sizeof(flow_key) == 37 && wire_header<flow_key>);

[[nodiscard]] inline std::uint64_t hash_of(const flow_key& key, siphash_key secret) noexcept { return siphash(secret, octets_of(key)); }

/// A flow across boundaries: its slot and the slot's generation. A stale id finds nothing.
struct flow_id {
    std::uint32_t value = 0;

    static constexpr unsigned slot_bits = 17;
    static constexpr std::uint32_t slot_mask = (1U << slot_bits) - 1;
    [[nodiscard]] constexpr std::uint32_t slot() const noexcept { return value & slot_mask; }
    [[nodiscard]] constexpr std::uint32_t generation() const noexcept { return value >> slot_bits; }
    constexpr bool operator==(const flow_id&) const = default;
};

} // namespace tapioca
