// Identifications of datagrams towards the guest that may be fragmented on their way (RFC 6864 section 4.3, RFC 8200
// section 4.5): while fragments of one may live, no other datagram of that protocol between the same two addresses should have
// the same one. Shared by all workers, as any of them may serve these two.
//
// There is a page of counters; a keyed hash of addresses and protocol selects the counter and an offset (RFC 7739 section 5.3),
// so that identifications of one pair of addresses tell nothing about another pair.
#pragma once

#include "proto/base/siphash.hpp"
#include "proto/frame/flow_key.hpp"

#include <array>
#include <atomic>

namespace tapioca {

class identifications {
public:
    explicit identifications(siphash_key secret) noexcept : secret_(secret) {}

    /// The first of `count` in a row for datagrams from `key.remote` to `key.guest`. IPv4 takes the lower 16 bits.
    [[nodiscard]] std::uint32_t take(const flow_key& key, std::size_t count = 1) noexcept
    {
        const auto hash = hash_of_ends(key);
        auto& counter = counters_[hash >> 32 & (counters_.size() - 1)];
        return static_cast<std::uint32_t>(hash) + counter.fetch_add(static_cast<std::uint32_t>(count), std::memory_order_relaxed);
    }

private:
    [[nodiscard]] std::uint64_t hash_of_ends(const flow_key& key) const noexcept
    {
        if (key.guest.is_v4()) {
            const octet ends[] = {key.remote.octets()[12], key.remote.octets()[13], key.remote.octets()[14],
                                  key.remote.octets()[15], key.guest.octets()[12],  key.guest.octets()[13],
                                  key.guest.octets()[14],  key.guest.octets()[15],  key.protocol};
            return siphash(secret_, ends);
        }
        flow_key ends = key;
        ends.guest_port = ends.remote_port = 0;
        return siphash(secret_, octets_of(ends));
    }

    const siphash_key secret_;
    std::array<std::atomic<std::uint32_t>, 1024> counters_{};
};

} // namespace tapioca
