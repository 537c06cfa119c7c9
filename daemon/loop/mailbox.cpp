#include "daemon/loop/mailbox.hpp"

namespace tapioca {
namespace {

/// In front of each record: its size without padding; `wrap` sends the reader back to the start of the memory.
using length_word = std::uint64_t;
constexpr length_word wrap = ~length_word{0};

} // namespace

bool octet_ring::push(std::span<const bytes_view> parts) noexcept
{
    std::size_t size = 0;
    for (const auto part : parts)
        size += part.size();
    const auto needed = sizeof(length_word) + padded(size);
    auto at = head_.load(std::memory_order_relaxed);
    const auto tail = tail_.load(std::memory_order_acquire);
    const auto before = at % memory_.size(), to_end = memory_.size() - before;
    // A ring that is empty begins again: what is touched stays small, and in the cache.
    const bool begins_again = at == tail && before >= hot_octets && needed <= before;
    const auto skipped = to_end < needed || begins_again ? to_end : 0;
    if (at + skipped + needed - tail > memory_.size())
        return false;
    if (skipped != 0) {
        std::memcpy(memory_.data() + at % memory_.size(), &wrap, sizeof wrap);
        at += skipped;
    }
    auto* place = memory_.data() + at % memory_.size();
    const length_word length = size;
    std::memcpy(place, &length, sizeof length);
    place += sizeof length;
    for (const auto part : parts) {
        if (!part.empty())
            std::memcpy(place, part.data(), part.size());
        place += part.size();
    }
    head_.store(at + needed, std::memory_order_release);
    return true;
}

bytes_view octet_ring::front() noexcept
{
    auto tail = tail_.load(std::memory_order_relaxed);
    if (tail == head_.load(std::memory_order_acquire))
        return {};
    length_word length;
    std::memcpy(&length, memory_.data() + tail % memory_.size(), sizeof length);
    if (length == wrap) {
        tail += memory_.size() - tail % memory_.size();
        tail_.store(tail, std::memory_order_release);
        std::memcpy(&length, memory_.data(), sizeof length);
    }
    return {memory_.data() + tail % memory_.size() + sizeof length, static_cast<std::size_t>(length)};
}

void octet_ring::pop() noexcept
{
    const auto tail = tail_.load(std::memory_order_relaxed);
    length_word length;
    std::memcpy(&length, memory_.data() + tail % memory_.size(), sizeof length);
    tail_.store(tail + sizeof length + padded(static_cast<std::size_t>(length)), std::memory_order_release);
}

mailbox::mailbox(std::size_t senders) : memory_(senders * ring_octets), bell_(os::make_event_fd())
{
    for (std::size_t i = 0; i < senders; ++i)
        rings_.emplace_back(memory_.as<octet>().subspan(i * ring_octets, ring_octets));
}

} // namespace tapioca
