// The way into a worker from the others: a ring of records from each, and one descriptor that wakes it.
//
// A ring has one writer and one reader. A record that does not fit is refused, and the sender decides: a frame is dropped and
// counted, a descriptor stays with the sender.
#pragma once

#include "daemon/os/arena.hpp"
#include "daemon/os/event_fd.hpp"
#include "proto/base/bytes.hpp"

#include <atomic>
#include <deque>
#include <functional>

namespace tapioca {

/// Records of whole octets between two threads.
class octet_ring {
public:
    /// Beyond, a ring that is empty is used from its start again.
    static constexpr std::size_t hot_octets = std::size_t{64} << 10;

    explicit octet_ring(bytes_span memory) noexcept : memory_(memory) {}

    /// Appends one record made of parts; false if there is no room.
    bool push(std::span<const bytes_view> parts) noexcept;

    /// The oldest record, contiguous, until pop(); empty if there is none.
    [[nodiscard]] bytes_view front() noexcept;
    void pop() noexcept;

private:
    [[nodiscard]] static std::size_t padded(std::size_t size) noexcept { return (size + 7) / 8 * 8; }

    bytes_span memory_;
    alignas(64) std::atomic<std::size_t> head_ = 0; ///< octets ever written
    alignas(64) std::atomic<std::size_t> tail_ = 0; ///< octets ever read
};

class mailbox {
public:
    static constexpr std::size_t ring_octets = std::size_t{2} << 20;

    explicit mailbox(std::size_t senders);

    /// From worker `sender`'s thread.
    bool post(std::size_t sender, std::span<const bytes_view> parts) noexcept { return rings_[sender].push(parts); }
    /// Wakes the receiver; once after any number of posts.
    void ring() noexcept { os::signal(bell_.get()); }

    [[nodiscard]] int descriptor() const noexcept { return bell_.get(); }
    /// From the owner's thread: calls `take` with each record, up to `budget` from each sender. True if some may be left.
    template <class Take>
    bool drain(std::size_t budget, Take take) noexcept
    {
        os::clear(bell_.get());
        bool left = false;
        for (auto& ring : rings_) {
            for (std::size_t i = 0;; ++i) {
                const auto record = ring.front();
                if (record.empty())
                    break;
                if (i == budget) {
                    left = true;
                    break;
                }
                take(record);
                ring.pop();
            }
        }
        return left;
    }

private:
    os::arena memory_;
    std::deque<octet_ring> rings_;
    os::unique_fd bell_;
};

} // namespace tapioca
