// A few words that belong together, written by any thread and read by all without a lock, behind a sequence count. A writer that
// finds another one writing drops its update: the next one will carry it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace tapioca {

template <std::size_t Count>
class shared_words {
public:
    using words = std::array<std::uint64_t, Count>;

    void store(const words& w) noexcept
    {
        auto before = sequence_.load(std::memory_order_relaxed);
        if ((before & 1) != 0 || !sequence_.compare_exchange_strong(before, before + 1, std::memory_order_acquire))
            return;
        // Released, so that a reader of a new word sees at least the odd count.
        for (std::size_t i = 0; i < Count; ++i)
            words_[i].store(w[i], std::memory_order_release);
        sequence_.store(before + 2, std::memory_order_release);
    }
    [[nodiscard]] words load() const noexcept
    {
        for (;;) {
            const auto before = sequence_.load(std::memory_order_acquire);
            words w;
            for (std::size_t i = 0; i < Count; ++i)
                w[i] = words_[i].load(std::memory_order_acquire);
            if ((before & 1) == 0 && sequence_.load(std::memory_order_relaxed) == before)
                return w;
        }
    }
    /// What is there now may never have been together: for finding out whether it is worth while to store.
    [[nodiscard]] bool seems(const words& w) const noexcept
    {
        bool same = true;
        for (std::size_t i = 0; i < Count; ++i)
            same = same && words_[i].load(std::memory_order_relaxed) == w[i];
        return same;
    }

private:
    std::atomic<std::uint32_t> sequence_ = 0;
    std::array<std::atomic<std::uint64_t>, Count> words_{};
};

} // namespace tapioca
