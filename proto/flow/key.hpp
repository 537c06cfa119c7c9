// How flows are found: the hash of what names them, and an id that outlives them harmlessly.
#pragma once

#include "proto/base/siphash.hpp"
#include "proto/frame/flow_key.hpp"

namespace tapioca {

[[nodiscard]] inline std::uint64_t hash_of(const flow_key& key, siphash_key secret) noexcept
{
    return siphash(secret, octets_of(key));
}

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
