// The device's side of a split virtqueue (virtio 1.2 section 2.7). The rings and all that they refer to are memory that a guest
// writes while we read: each descriptor is copied once, decided on, and never looked at again.
//
// A chain is peeked before it is taken, so that buffers that turn out not to be needed stay where they are. Used elements are
// written one by one and shown to the driver together, by publish().
#pragma once

#include "proto/vhost/dirty_log.hpp"
#include "proto/vhost/memory_map.hpp"

#include <array>

namespace tapioca::vhost {

/// What a driver has done that it must not do. Its device is broken from then on.
enum class ring_fault : std::uint8_t {
    none,
    index_ahead,     ///< more is available than the ring has room for
    bad_head,        ///< a chain begins behind the end of the table
    bad_next,        ///< a chain goes on there
    loop,            ///< a chain is longer than the ring
    nested_indirect, ///< an indirect table inside of one, or a chain that goes on behind one
    bad_indirect,    ///< an indirect table that was not negotiated, is empty, no multiple of 16, or longer than the ring
    not_mapped,      ///< a buffer outside of the guest's memory
    wrong_direction, ///< a buffer to write to among those to read from, or the reverse
    too_scattered,   ///< a chain in more pieces than any driver makes
    memory_gone,     ///< the file behind the guest's memory was cut off
    count_
};
inline constexpr std::array<std::string_view, static_cast<std::size_t>(ring_fault::count_)> ring_fault_names = {
    "no fault",
    "more is available than the ring has room for",
    "a chain begins behind the end of the table",
    "a chain goes on behind the end of the table",
    "a chain is longer than the ring",
    "a nested indirect table",
    "a bad indirect table",
    "a buffer outside of the guest's memory",
    "a buffer of the wrong direction",
    "a chain in too many pieces",
    "memory that was taken away",
};
static_assert(!ring_fault_names.back().empty());

inline constexpr std::size_t largest_ring = 1024;

/// A piece of a buffer: where it lies here, and for the guest.
struct guest_piece {
    octet* at = nullptr;
    std::uint32_t length = 0;
    std::uint64_t guest = 0;
};

/// What the pieces of several chains are gathered in.
struct piece_list {
    /// A chain is at most as long as a ring, and each buffer may span regions.
    static constexpr std::size_t most = largest_ring + memory_map::most_regions;

    std::array<guest_piece, most> pieces;
    std::size_t count = 0;

    [[nodiscard]] std::span<const guest_piece> from(std::size_t first) const noexcept
    {
        return std::span{pieces}.subspan(first, count - first);
    }
};

/// A chain whose pieces were added to a list.
struct chain {
    std::uint16_t head = 0;
    std::uint64_t octets = 0;
};

class split_queue {
public:
    enum class direction : std::uint8_t { from_guest, to_guest };

    struct memory {
        octet *descriptors = nullptr, *available = nullptr, *used = nullptr;
        std::uint64_t used_guest = 0; ///< the guest's address of the used ring; with a log

        /// As the parts of a ring must be.
        [[nodiscard]] bool is_aligned() const noexcept
        {
            const auto to = [](const octet* at, std::uintptr_t by) { return reinterpret_cast<std::uintptr_t>(at) % by == 0; };
            return to(descriptors, 16) && to(available, 2) && to(used, 4);
        }
    };
    /// Octets of each part of a ring of that size.
    [[nodiscard]] static constexpr std::uint64_t descriptor_octets(std::uint32_t size) noexcept { return 16ULL * size; }
    [[nodiscard]] static constexpr std::uint64_t available_octets(std::uint32_t size) noexcept { return 6 + 2ULL * size; }
    [[nodiscard]] static constexpr std::uint64_t used_octets(std::uint32_t size) noexcept { return 6 + 8ULL * size; }

    struct setup {
        memory at;
        std::uint16_t size = 0; ///< a power of two, at most largest_ring
        std::uint16_t next = 0; ///< the first entry of the available ring that is looked at
        bool event_index = false, indirect = false;
        direction way = direction::from_guest;
    };

    split_queue() noexcept = default;
    explicit split_queue(const setup& s) noexcept;

    /// Chains that the driver has made available and that were not taken; looks at its index only if `wanted` were not known.
    /// Nothing if there is a fault.
    [[nodiscard]] std::uint32_t available(std::uint32_t wanted) noexcept;

    /// The chain `ahead` places behind the next one, which is available. Its pieces are added to `into`. Nothing if they do not
    /// fit behind others, or if there is a fault.
    [[nodiscard]] std::optional<chain> peek(std::uint32_t ahead, const memory_map& map, piece_list& into) noexcept;
    /// The next `count` chains are ours.
    void take(std::uint32_t count) noexcept { next_ = static_cast<std::uint16_t>(next_ + count); }

    /// The rings lie elsewhere from now on, with the same content.
    void move(const memory& to) noexcept { s_.at = to; }

    /// Gives a chain back, with so many octets written into it.
    void give_back(std::uint16_t head, std::uint32_t written, const dirty_log& log) noexcept;
    /// Shows the driver what was given back since the last time. Whether it wants to be called.
    [[nodiscard]] bool publish(const dirty_log& log) noexcept;

    /// As many chains are available as ever were: it is vain to wait for more before some are given back.
    [[nodiscard]] bool is_as_full_as_ever() const noexcept { return seen_ != next_ && known() >= most_; }

    /// The driver tells of what it makes available from now on. True if there is more than was known already.
    [[nodiscard]] bool ask_for_kicks() noexcept;
    /// It need not. With event indices that is so after each kick.
    void refuse_kicks() noexcept;

    [[nodiscard]] ring_fault fault() const noexcept { return fault_; }
    void break_down(ring_fault why) noexcept { fault_ = why; }
    /// What GET_VRING_BASE is answered with.
    [[nodiscard]] std::uint16_t next() const noexcept { return next_; }
    [[nodiscard]] std::uint16_t size() const noexcept { return s_.size; }
    [[nodiscard]] explicit operator bool() const noexcept { return s_.size != 0; }

private:
    struct descriptor {
        std::uint64_t address = 0;
        std::uint32_t length = 0;
        std::uint16_t flags = 0, next = 0;
    };
    static_assert(sizeof(descriptor) == 16);

    [[nodiscard]] bool walk(std::uint16_t head, const memory_map& map, piece_list& into, chain& c) noexcept;
    [[nodiscard]] bool walk_indirect(const descriptor& d, const memory_map& map, piece_list& into, chain& c) noexcept;
    [[nodiscard]] bool add(const descriptor& d, const memory_map& map, piece_list& into, chain& c) noexcept;
    [[nodiscard]] bool fail(ring_fault why) noexcept;
    [[nodiscard]] std::uint16_t read_index() const noexcept;
    [[nodiscard]] std::uint16_t known() const noexcept { return static_cast<std::uint16_t>(seen_ - next_); }

    setup s_;
    std::uint16_t next_ = 0; ///< in the available ring
    std::uint16_t seen_ = 0; ///< the driver's index, as we last saw it
    std::uint16_t most_ = 0; ///< chains that were available at once
    std::uint16_t used_ = 0; ///< where the next used element goes
    std::uint16_t shown_ = 0;
    bool kicks_ = false; ///< the driver was told that we want them
    bool has_shown_ = false;
    ring_fault fault_ = ring_fault::none;
};

} // namespace tapioca::vhost
