// Octets in chains of chunks, all out of one bounded pool. A chain that was released has no chunk.
#pragma once

#include "proto/base/bytes.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>

namespace tapioca::tcp {

class chunk_pool {
public:
    static constexpr std::uint32_t chunk_octets = 16384;
    using index = std::uint16_t; ///< of a chunk, plus one; 0: none
    static constexpr std::size_t most_chunks = std::numeric_limits<index>::max();

    struct chain {
        index head_plus_one = 0;
        std::uint16_t offset = 0; ///< of the first octet in the head chunk
        std::uint32_t length = 0; ///< octets in order
    };

    /// Both zeroed, untouched until needed: `memory` is a multiple of chunk_octets, `next` has an entry a chunk. What lies beyond
    /// most_chunks is not used.
    chunk_pool(std::span<octet> memory, std::span<index> next) noexcept
        : memory_(memory), next_(next.first(std::min(next.size(), most_chunks)))
    {
    }

    /// Writes `data` at `position` from the first octet on, chaining chunks as needed; `length` stays as it is. Returns how many
    /// octets found room.
    std::uint32_t write(chain& c, std::uint32_t position, bytes_view data) noexcept;

    /// Room for `octets` behind those in order, in pieces: as many as `pieces` can hold and as chunks can be had. Returns how
    /// many there are. What is written there counts once `length` says so; trim() gives back the chunks that were not needed.
    std::size_t extend(chain& c, std::size_t octets, std::span<bytes_span> pieces) noexcept;
    void trim(chain& c) noexcept;

    /// Views of up to `octets` in order, from `position` on, as many as `pieces` can hold; returns how many views were written.
    [[nodiscard]] std::size_t gather(const chain& c, std::uint32_t position, std::size_t octets,
                                     std::span<bytes_view> pieces) const noexcept;

    /// Drops the first `count` octets, and the chunks that they filled.
    void consume(chain& c, std::uint32_t count) noexcept;

    void release(chain& c) noexcept;

    [[nodiscard]] std::uint32_t used() const noexcept { return used_; }
    [[nodiscard]] std::size_t free() const noexcept { return next_.size() - used_; }
    [[nodiscard]] std::size_t octets() const noexcept { return memory_.size(); }

private:
    [[nodiscard]] index take() noexcept; ///< plus one; 0 if there is none
    /// The chunk behind that one, or the first of a chain, made if there is none; 0 if it cannot be. All plus one.
    [[nodiscard]] index following(index& link) noexcept { return link != 0 ? link : link = take(); }
    void put_back_all(index first_plus_one) noexcept;
    void put_back(std::uint32_t chunk) noexcept;
    [[nodiscard]] octet* data_of(std::uint32_t chunk) const noexcept
    {
        return memory_.data() + std::size_t{chunk} * chunk_octets;
    }

    std::span<octet> memory_;
    std::span<index> next_;
    index free_plus_one_ = 0, high_water_ = 0;
    std::uint32_t used_ = 0;
};

} // namespace tapioca::tcp
