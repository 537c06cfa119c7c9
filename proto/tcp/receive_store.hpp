// Where octets from the guest wait: what the socket does not take yet, and what arrived out of order.
//
// A flow's queue is a chain of chunks that begins with the first octet its socket has not taken. Octets in order are appended
// behind `length`; octets behind a gap are written where they belong, and up to eight such ranges are remembered until the gap
// closes. All queues of a worker share one bounded pool. `reserve` keeps count of what large windows have promised out of it.
#pragma once

#include "proto/base/bytes.hpp"
#include "proto/base/fixed_vector.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>

namespace tapioca::tcp {

class receive_store {
public:
    static constexpr std::uint32_t chunk_octets = 16384;
    using index = std::uint16_t; ///< of a chunk or a set, plus one; 0: none
    static constexpr std::size_t most_chunks = std::numeric_limits<index>::max();

    struct queue {
        index head_plus_one = 0;  ///< 0: nothing is stored
        std::uint16_t offset = 0; ///< of the first octet in the head chunk
        index ranges_plus_one = 0;
        std::uint32_t length = 0; ///< octets in order

        [[nodiscard]] bool empty() const noexcept { return head_plus_one == 0; }
        [[nodiscard]] bool waits_behind_gap() const noexcept { return ranges_plus_one != 0; }
    };

    struct range {
        std::uint32_t from, to; ///< from the queue's first octet on
    };
    /// The ranges behind gaps of one flow, ascending, not touching; or a link of the free list.
    struct range_set {
        fixed_vector<range, 8> ranges;
        index next_free_plus_one = 0;
    };

    /// All three zeroed, untouched until needed: `memory` is a multiple of chunk_octets, `next` has an entry a chunk. What
    /// lies beyond most_chunks, or as many sets, is not used.
    receive_store(std::span<octet> memory, std::span<index> next, std::span<range_set> sets) noexcept
        : memory_(memory), next_(next.first(std::min(next.size(), most_chunks))),
          sets_(sets.first(std::min(sets.size(), most_chunks)))
    {
    }

    struct put_result {
        std::uint32_t kept = 0;   ///< leading octets of the data that are stored
        std::uint32_t filled = 0; ///< octets beyond them that came into order because a gap closed
    };
    /// Stores `data` at `gap` octets behind the octets in order.
    put_result put(queue& q, std::uint32_t gap, bytes_view data) noexcept;

    /// Views of the first octets in order, as many as `pieces` can hold; returns how many views were written.
    std::size_t gather(const queue& q, std::span<bytes_view> pieces) const noexcept;

    /// Drops the first `count` octets in order.
    void consume(queue& q, std::uint32_t count) noexcept;

    /// Drops what waits behind gaps: the stream ends before it.
    void forget_behind_gaps(queue& q) noexcept;

    void release(queue& q) noexcept;

    /// Promises `octets` of the pool to a window; false if they are promised already.
    [[nodiscard]] bool reserve(std::size_t octets) noexcept
    {
        if (reserved_ + octets > memory_.size())
            return false;
        reserved_ += octets;
        return true;
    }
    void unreserve(std::size_t octets) noexcept { reserved_ -= octets; }

    [[nodiscard]] std::uint32_t chunks_used() const noexcept { return used_; }
    [[nodiscard]] std::size_t reserved() const noexcept { return reserved_; }

private:
    [[nodiscard]] index take_chunk() noexcept; ///< plus one; 0 if there is none
    void free_chunk(std::uint32_t chunk) noexcept;
    [[nodiscard]] std::uint32_t write(queue& q, std::uint32_t position, bytes_view data) noexcept;
    [[nodiscard]] bool remember(queue& q, range r) noexcept;
    void absorb(queue& q) noexcept;
    void free_ranges(queue& q) noexcept;
    [[nodiscard]] octet* data_of(std::uint32_t chunk) const noexcept
    {
        return memory_.data() + std::size_t{chunk} * chunk_octets;
    }

    std::span<octet> memory_;
    std::span<index> next_;
    std::span<range_set> sets_;
    index free_plus_one_ = 0, high_water_ = 0;
    index free_set_plus_one_ = 0, set_high_water_ = 0;
    std::uint32_t used_ = 0;
    std::size_t reserved_ = 0;
};

} // namespace tapioca::tcp
