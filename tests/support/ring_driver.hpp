// The driver's side of a split virtqueue (virtio 1.2 section 2.7), in the memory of a test. What a driver does in several steps
// is several functions, so that a test may do something between them; what it must not do, it can be made to do.
#pragma once

#include "proto/vhost/split_queue.hpp"
#include "tests/support/guest_ram.hpp"

namespace tapioca::test {

/// One buffer as a driver describes it.
struct driver_buffer {
    std::uint64_t guest = 0;
    std::uint32_t length = 0;
    std::uint16_t flags = 0; ///< beside that of the chain
};

struct driver_options {
    std::uint16_t size = 8;
    std::uint16_t first = 0; ///< index of the first entry in both rings
    bool event_index = false, indirect = false;
    vhost::split_queue::direction way = vhost::split_queue::direction::from_guest;
};

class ring_driver {
public:
    static constexpr std::uint16_t next = 1, write = 2, indirect = 4; // flags

    struct used_element {
        std::uint32_t head = 0, written = 0;
        bool operator==(const used_element&) const = default;
    };

    ring_driver(guest_ram& ram, const driver_options& o) : ram_(ram), o_(o), shown_(o.first), next_(o.first), used_(o.first)
    {
        using q = vhost::split_queue;
        descriptors = ram.allocate(q::descriptor_octets(o.size));
        available = ram.allocate(q::available_octets(o.size));
        used = ram.allocate(q::used_octets(o.size));
        store(available + 2, o.first);
        store(used + 2, o.first);
        for (std::uint16_t i = o.size; i-- > 0;)
            free_.push_back(i);
        chains_.resize(o.size);
    }

    [[nodiscard]] vhost::split_queue::setup setup() const
    {
        return {.at = place(),
                .size = o_.size,
                .next = o_.first,
                .event_index = o_.event_index,
                .indirect = o_.indirect,
                .way = o_.way};
    }
    [[nodiscard]] vhost::split_queue::memory place() const
    {
        return {ram_.at(descriptors), ram_.at(available), ram_.at(used), used};
    }

    // Posting.
    [[nodiscard]] std::size_t free() const { return free_.size(); }
    /// The head of the chain that is placed next.
    [[nodiscard]] std::uint16_t next_free() const { return free_.back(); }

    /// Writes a chain and puts it behind the others; the device does not see it yet.
    std::uint16_t place(std::span<const driver_buffer> buffers)
    {
        std::vector<std::uint16_t> taken;
        for (std::size_t i = 0; i < buffers.size(); ++i) {
            taken.push_back(free_.back());
            free_.pop_back();
        }
        for (std::size_t i = 0; i < buffers.size(); ++i) {
            const bool last = i + 1 == buffers.size();
            describe(descriptors, taken[i], with_way(buffers[i]), last ? std::uint16_t{0} : taken[i + 1], last ? 0 : next);
        }
        return enter(taken);
    }
    std::uint16_t place(std::initializer_list<driver_buffer> buffers) { return place({buffers.begin(), buffers.size()}); }

    /// The same in a table at `table`.
    std::uint16_t place_indirect(std::span<const driver_buffer> buffers, std::uint64_t table)
    {
        for (std::size_t i = 0; i < buffers.size(); ++i) {
            const bool last = i + 1 == buffers.size();
            describe(table, static_cast<std::uint16_t>(i), with_way(buffers[i]), static_cast<std::uint16_t>(last ? 0 : i + 1),
                     last ? 0 : next);
        }
        const auto head = free_.back();
        free_.pop_back();
        describe(descriptors, head, {table, static_cast<std::uint32_t>(16 * buffers.size()), indirect}, 0, 0);
        return enter({head});
    }
    std::uint16_t place_indirect(std::initializer_list<driver_buffer> buffers, std::uint64_t table)
    {
        return place_indirect({buffers.begin(), buffers.size()}, table);
    }

    /// Lets the device see all that was placed.
    void show()
    {
        before_ = shown_;
        shown_ = next_;
        store(available + 2, shown_, __ATOMIC_RELEASE);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
    /// Section 2.7.13.3.1: whether the device is to be told of what was just shown.
    [[nodiscard]] bool must_kick() const
    {
        if (!o_.event_index)
            return (load(used) & 1) == 0;
        return passes(load(used + 4 + 8ULL * o_.size), before_, shown_);
    }

    // What comes back.
    [[nodiscard]] bool has_used() const { return load(used + 2, __ATOMIC_ACQUIRE) != used_; }
    std::optional<used_element> take_used()
    {
        if (!has_used())
            return std::nullopt;
        used_element e;
        std::memcpy(&e, ram_.at(used + 4 + 8ULL * (used_++ & (o_.size - 1U))), 8);
        free_.insert(free_.end(), chains_[e.head].begin(), chains_[e.head].end());
        chains_[e.head].clear();
        return e;
    }
    /// It wants to be called for what comes from now on.
    void ask_for_calls()
    {
        if (o_.event_index)
            store(available + 4 + 2ULL * o_.size, used_);
        else
            store(available, 0);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
    void refuse_calls()
    {
        if (!o_.event_index)
            store(available, 1);
    }

    // What only tests do.
    void describe(std::uint64_t table, std::uint16_t at, const driver_buffer& b, std::uint16_t follows, int flags)
    {
        struct {
            std::uint64_t address;
            std::uint32_t length;
            std::uint16_t flags, next;
        } d{b.guest, b.length, static_cast<std::uint16_t>(b.flags | flags), follows};
        static_assert(sizeof d == 16);
        ram_.write(table + 16ULL * at, {reinterpret_cast<const octet*>(&d), sizeof d});
    }
    void enter_head(std::uint16_t head) { store(available + 4 + 2ULL * (next_++ & (o_.size - 1U)), head); }
    void set_index(std::uint16_t index) { store(available + 2, index); }
    [[nodiscard]] std::uint16_t used_index() const { return load(used + 2); }
    [[nodiscard]] std::uint16_t used_flags() const { return load(used); }
    [[nodiscard]] std::uint16_t kick_event() const { return load(used + 4 + 8ULL * o_.size); }
    [[nodiscard]] guest_ram& ram() const { return ram_; }

    std::uint64_t descriptors = 0, available = 0, used = 0; ///< the guest's addresses

private:
    static bool passes(std::uint16_t event, std::uint16_t before, std::uint16_t now)
    {
        return static_cast<std::uint16_t>(now - event - 1) < static_cast<std::uint16_t>(now - before);
    }
    [[nodiscard]] std::uint16_t load(std::uint64_t guest, int order = __ATOMIC_RELAXED) const
    {
        return __atomic_load_n(reinterpret_cast<const std::uint16_t*>(ram_.at(guest)), order);
    }
    void store(std::uint64_t guest, std::uint16_t value, int order = __ATOMIC_RELAXED) const
    {
        __atomic_store_n(reinterpret_cast<std::uint16_t*>(ram_.at(guest)), value, order);
    }
    [[nodiscard]] driver_buffer with_way(driver_buffer b) const
    {
        if (o_.way == vhost::split_queue::direction::to_guest)
            b.flags ^= write; // a test asks for the wrong way by the same flag
        return b;
    }
    std::uint16_t enter(const std::vector<std::uint16_t>& chain)
    {
        chains_[chain.front()] = chain;
        enter_head(chain.front());
        return chain.front();
    }

    guest_ram& ram_;
    driver_options o_;
    std::uint16_t before_ = 0, shown_, next_, used_;
    std::vector<std::uint16_t> free_;
    std::vector<std::vector<std::uint16_t>> chains_; ///< by their heads: descriptors that come back with them
};

} // namespace tapioca::test
