// Slots of flows in the order in which they were added; each stands in the list at most once and leaves it from anywhere.
#pragma once

#include <cstdint>
#include <span>

namespace tapioca {

class slot_list {
public:
    struct link {
        std::uint32_t before = 0, behind = 0; ///< plus one; 0: none
    };

    /// `links`: one for each slot there can be.
    explicit slot_list(std::span<link> links) noexcept : links_(links) {}

    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
    /// Only if it is not empty.
    [[nodiscard]] std::uint32_t oldest() const noexcept { return first_ - 1; }

    /// A slot that is not in the list.
    void add(std::uint32_t slot) noexcept
    {
        links_[slot] = {last_, 0};
        (last_ == 0 ? first_ : links_[last_ - 1].behind) = slot + 1;
        last_ = slot + 1;
        ++size_;
    }
    /// A slot that is.
    void remove(std::uint32_t slot) noexcept
    {
        const auto l = links_[slot];
        (l.before == 0 ? first_ : links_[l.before - 1].behind) = l.behind;
        (l.behind == 0 ? last_ : links_[l.behind - 1].before) = l.before;
        --size_;
    }

private:
    std::span<link> links_;
    std::uint32_t first_ = 0, last_ = 0; ///< plus one
    std::uint32_t size_ = 0;
};

} // namespace tapioca
