// Where octets from the guest wait: what the socket does not take yet, and what arrived out of order.
//
// A flow's queue is a chain of chunks that begins with the first octet its socket has not taken. Octets in order are appended
// behind `length`; octets behind a gap are written where they belong, and up to eight such ranges are remembered until the gap
// closes. All queues of a worker share one bounded pool. `reserve` keeps count of what large windows have promised out of it.
#pragma once

#include "proto/base/fixed_vector.hpp"
#include "proto/tcp/chunk_pool.hpp"

namespace tapioca::tcp {

class receive_store {
public:
    static constexpr std::uint32_t chunk_octets = chunk_pool::chunk_octets;
    using index = chunk_pool::index; ///< of a chunk or a set, plus one; 0: none
    static constexpr std::size_t most_chunks = chunk_pool::most_chunks;

    struct queue {
        chunk_pool::chain octets; ///< its length: of those in order
        index ranges_plus_one = 0;
        bool held : 1 = false;    ///< nothing may be taken before somebody has decided about it
        bool refused : 1 = false; ///< and it was decided that nothing may ever be

        [[nodiscard]] std::uint32_t length() const noexcept { return octets.length; }
        [[nodiscard]] bool empty() const noexcept { return octets.head_plus_one == 0; }
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
        : chunks_(memory, next), sets_(sets.first(std::min(sets.size(), most_chunks)))
    {
    }

    struct put_result {
        std::uint32_t kept = 0;   ///< leading octets of the data that are stored
        std::uint32_t filled = 0; ///< octets beyond them that came into order because a gap closed
    };
    /// Stores `data` at `gap` octets behind the octets in order.
    put_result put(queue& q, std::uint32_t gap, bytes_view data) noexcept;

    /// Views of the first octets in order, `most` at most, and as many as `pieces` can hold; returns how many views were written.
    std::size_t gather(const queue& q, std::span<bytes_view> pieces, std::size_t most = SIZE_MAX) const noexcept
    {
        return chunks_.gather(q.octets, 0, std::min<std::size_t>(most, q.length()), pieces);
    }

    /// Drops the first `count` octets in order.
    void consume(queue& q, std::uint32_t count) noexcept;

    /// Drops what waits behind gaps: the stream ends before it.
    void forget_behind_gaps(queue& q) noexcept;

    void release(queue& q) noexcept;

    /// Promises `octets` of the pool to a window; false if they are promised already.
    [[nodiscard]] bool reserve(std::size_t octets) noexcept
    {
        if (reserved_ + octets > chunks_.octets())
            return false;
        reserved_ += octets;
        return true;
    }
    void unreserve(std::size_t octets) noexcept { reserved_ -= octets; }

    [[nodiscard]] std::uint32_t chunks_used() const noexcept { return chunks_.used(); }
    [[nodiscard]] std::size_t reserved() const noexcept { return reserved_; }

private:
    [[nodiscard]] bool remember(queue& q, range r) noexcept;
    void absorb(queue& q) noexcept;
    void free_ranges(queue& q) noexcept;

    chunk_pool chunks_;
    std::span<range_set> sets_;
    index free_set_plus_one_ = 0, set_high_water_ = 0;
    std::size_t reserved_ = 0;
};

} // namespace tapioca::tcp
