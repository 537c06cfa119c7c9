// Slots of flows in the order in which they were added; each stands in the list at most once and leaves it from anywhere.
//
// Entries are borrowed while a slot is listed, the lowest that were used first: memory is touched for as many as there were at a
// time, not for each flow that ever passed through.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>

namespace tapioca {

class slot_list {
public:
    /// An entry plus one; 0: none. What a listed flow remembers.
    using place = std::uint16_t;
    static constexpr std::size_t most = std::numeric_limits<place>::max();

    struct entry {
        std::uint32_t slot;
        place before, behind; ///< behind: also the next one that is free
    };

    /// `entries`: as many as may be listed; those beyond `most` are not used.
    explicit slot_list(std::span<entry> entries) noexcept : entries_(entries.first(std::min(entries.size(), most))) {}

    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
    [[nodiscard]] bool full() const noexcept { return size_ == entries_.size(); }
    /// Only if it is not empty.
    [[nodiscard]] std::uint32_t oldest() const noexcept { return at(first_).slot; }

    /// A slot that is not in the list, while that is not full.
    [[nodiscard]] place add(std::uint32_t slot) noexcept
    {
        auto p = free_;
        if (p != 0)
            free_ = at(p).behind;
        else
            p = ++high_water_;
        at(p) = {slot, last_, 0};
        (last_ == 0 ? first_ : at(last_).behind) = p;
        last_ = p;
        ++size_;
        return p;
    }
    /// What add() returned.
    void remove(place p) noexcept
    {
        auto& e = at(p);
        (e.before == 0 ? first_ : at(e.before).behind) = e.behind;
        (e.behind == 0 ? last_ : at(e.behind).before) = e.before;
        e.behind = free_;
        free_ = p;
        --size_;
    }

private:
    [[nodiscard]] entry& at(place p) const noexcept { return entries_[p - std::size_t{1}]; }

    std::span<entry> entries_;
    place first_ = 0, last_ = 0, free_ = 0, high_water_ = 0;
    std::uint32_t size_ = 0;
};

} // namespace tapioca
