// Octets that were taken out of sockets and that the guest has not acknowledged: the retransmission queues (RFC 9293 section
// 3.10.7.4, fifth) of flows whose sockets cannot keep them.
//
// Each flow's queue begins with snd_una. A flow without such octets has no queue, only an index that says so. All queues of a
// worker share one bounded pool. A flow may have an eighth of what is left of its first three quarters, and of the last one a
// single chunk, so that flows that acknowledge nothing leave room for others.
#pragma once

#include "proto/tcp/chunk_pool.hpp"

namespace tapioca::tcp {

class send_store {
public:
    using index = chunk_pool::index; ///< of a queue, plus one; 0: none
    static constexpr std::uint32_t most_of_flow = std::uint32_t{4} << 20;

    struct queue {
        chunk_pool::chain octets;
        index next_free_plus_one = 0;
    };

    /// All four zeroed, untouched until needed: the pool as chunk_pool wants it, a queue a chunk, an index for each slot of the
    /// table of flows.
    send_store(std::span<octet> memory, std::span<index> next, std::span<queue> queues, std::span<index> of_slot) noexcept
        : chunks_(memory, next), queues_(queues.first(std::min(queues.size(), chunk_pool::most_chunks))), of_slot_(of_slot)
    {
    }

    [[nodiscard]] std::uint32_t length(std::uint32_t slot) const noexcept
    {
        const auto* q = find(slot);
        return q == nullptr ? 0 : q->octets.length;
    }

    /// How many octets may be appended now.
    [[nodiscard]] std::uint32_t room(std::uint32_t slot) const noexcept;

    /// Memory for up to `octets`, room() at most, that are taken out of the socket; returns how many pieces there are. keep()
    /// must follow, and says how many octets came.
    std::size_t extend(std::uint32_t slot, std::size_t octets, std::span<bytes_span> pieces) noexcept;
    void keep(std::uint32_t slot, std::size_t octets) noexcept;

    /// Views of up to `octets`, from `position` behind snd_una on; returns how many there are.
    [[nodiscard]] std::size_t gather(std::uint32_t slot, std::uint32_t position, std::size_t octets,
                                     std::span<bytes_view> pieces) const noexcept;

    /// The guest has acknowledged `count` octets. False if there are fewer.
    [[nodiscard]] bool acknowledge(std::uint32_t slot, std::uint32_t count) noexcept;

    void release(std::uint32_t slot) noexcept;

    [[nodiscard]] std::uint32_t chunks_used() const noexcept { return chunks_.used(); }

private:
    [[nodiscard]] const queue* find(std::uint32_t slot) const noexcept
    {
        return slot >= of_slot_.size() || of_slot_[slot] == 0 ? nullptr : &queues_[of_slot_[slot] - 1U];
    }
    [[nodiscard]] queue* find_or_make(std::uint32_t slot) noexcept;

    chunk_pool chunks_;
    std::span<queue> queues_;
    std::span<index> of_slot_;
    index free_plus_one_ = 0, high_water_ = 0;
};

} // namespace tapioca::tcp
