#include "proto/vhost/split_queue.hpp"

#include <algorithm>

namespace tapioca::vhost {
namespace {

constexpr std::uint16_t flag_next = 1, flag_write = 2, flag_indirect = 4; // of a descriptor
constexpr std::uint16_t no_notify = 1;                                    // in the used ring
constexpr std::uint16_t no_interrupt = 1;                                 // in the available ring
constexpr std::size_t index_at = 2, ring_at = 4;                          // octets behind the beginning of either

std::uint16_t load(const octet* at, int order = __ATOMIC_RELAXED) noexcept
{
    return __atomic_load_n(reinterpret_cast<const std::uint16_t*>(at), order);
}

void store(octet* at, std::uint16_t value, int order = __ATOMIC_RELAXED) noexcept
{
    __atomic_store_n(reinterpret_cast<std::uint16_t*>(at), value, order);
}

void full_barrier() noexcept { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

/// Virtio 1.2 section 2.7.10.1: whether the other side asked to hear of one of the entries from `before` to `now`.
constexpr bool passes(std::uint16_t event, std::uint16_t before, std::uint16_t now) noexcept
{
    return static_cast<std::uint16_t>(now - event - 1) < static_cast<std::uint16_t>(now - before);
}
static_assert(passes(5, 5, 6) && !passes(5, 6, 7) && !passes(5, 3, 5) && passes(0xffff, 0xfffe, 1));

} // namespace

split_queue::split_queue(const setup& s) noexcept
    : s_(s), next_(s.next), seen_(s.next), used_(load(s.at.used + index_at)), shown_(used_)
{
}

bool split_queue::fail(ring_fault why) noexcept
{
    fault_ = why;
    return false;
}

std::uint16_t split_queue::read_index() const noexcept { return load(s_.at.available + index_at, __ATOMIC_ACQUIRE); }

std::uint32_t split_queue::available(std::uint32_t wanted) noexcept
{
    if (fault_ != ring_fault::none)
        return 0;
    if (known() >= wanted)
        return known();
    seen_ = read_index();
    if (known() <= s_.size) {
        most_ = std::max(most_, known());
        return known();
    }
    (void)fail(ring_fault::index_ahead);
    return 0;
}

std::optional<chain> split_queue::peek(std::uint32_t ahead, const memory_map& map, piece_list& into) noexcept
{
    const auto slot = static_cast<std::uint16_t>(next_ + ahead) & (s_.size - 1U);
    const auto head = load(s_.at.available + ring_at + 2 * slot);
    const auto first = into.count;
    chain c{.head = head};
    if (head >= s_.size)
        (void)fail(ring_fault::bad_head);
    else if (walk(head, map, into, c))
        return c;
    else if (fault_ == ring_fault::none && first == 0)
        (void)fail(ring_fault::too_scattered);
    into.count = first;
    return std::nullopt;
}

bool split_queue::walk(std::uint16_t head, const memory_map& map, piece_list& into, chain& c) noexcept
{
    auto at = head;
    for (std::uint32_t steps = 0; steps < s_.size; ++steps) {
        // Two loads: the compiler must not read any of it again.
        const auto* words = reinterpret_cast<const std::uint64_t*>(s_.at.descriptors + 16U * at);
        const std::uint64_t copied[] = {__atomic_load_n(words, __ATOMIC_RELAXED), __atomic_load_n(words + 1, __ATOMIC_RELAXED)};
        descriptor d;
        std::memcpy(static_cast<void*>(&d), copied, sizeof d);
        if ((d.flags & flag_indirect) != 0)
            return (d.flags & flag_next) != 0 ? fail(ring_fault::nested_indirect) : walk_indirect(d, map, into, c);
        if (!add(d, map, into, c))
            return false;
        if ((d.flags & flag_next) == 0)
            return true;
        if (d.next >= s_.size)
            return fail(ring_fault::bad_next);
        at = d.next;
    }
    return fail(ring_fault::loop);
}

/// The table is copied whole before it is looked at. It may span regions, as a buffer may.
bool split_queue::walk_indirect(const descriptor& d, const memory_map& map, piece_list& into, chain& c) noexcept
{
    const auto count = d.length / sizeof(descriptor);
    if (!s_.indirect || count == 0 || d.length % sizeof(descriptor) != 0 || count > s_.size)
        return fail(ring_fault::bad_indirect);
    std::array<octet, largest_ring * sizeof(descriptor)> table; // of which as much is written as is read below
    for (std::uint32_t done = 0; done < d.length;) {
        const auto part = map.at_guest(d.address + done, d.length - done);
        if (part.empty())
            return fail(ring_fault::not_mapped);
        std::memcpy(table.data() + done, part.data(), part.size());
        done += static_cast<std::uint32_t>(part.size());
    }
    __asm__ volatile("" ::: "memory"); // what is decided on is the copy
    std::size_t at = 0;
    for (std::size_t steps = 0; steps < count; ++steps) {
        descriptor entry;
        std::memcpy(static_cast<void*>(&entry), table.data() + at * sizeof entry, sizeof entry);
        if ((entry.flags & flag_indirect) != 0)
            return fail(ring_fault::nested_indirect);
        if (!add(entry, map, into, c))
            return false;
        if ((entry.flags & flag_next) == 0)
            return true;
        if (entry.next >= count)
            return fail(ring_fault::bad_next);
        at = entry.next;
    }
    return fail(ring_fault::loop);
}

bool split_queue::add(const descriptor& d, const memory_map& map, piece_list& into, chain& c) noexcept
{
    if (((d.flags & flag_write) != 0) != (s_.way == direction::to_guest))
        return fail(ring_fault::wrong_direction);
    for (std::uint32_t done = 0; done < d.length;) {
        const auto part = map.at_guest(d.address + done, d.length - done);
        if (part.empty())
            return fail(ring_fault::not_mapped);
        if (into.count == piece_list::most)
            return false;
        into.pieces[into.count++] = {part.data(), static_cast<std::uint32_t>(part.size()), d.address + done};
        done += static_cast<std::uint32_t>(part.size());
    }
    c.octets += d.length;
    return true;
}

void split_queue::give_back(std::uint16_t head, std::uint32_t written, const dirty_log& log) noexcept
{
    const auto slot = used_++ & (s_.size - 1U);
    const std::uint32_t element[] = {head, written};
    std::memcpy(s_.at.used + ring_at + 8U * slot, element, sizeof element);
    if (log)
        log.mark(s_.at.used_guest + ring_at + 8U * slot, sizeof element);
}

bool split_queue::publish(const dirty_log& log) noexcept
{
    if (shown_ == used_)
        return false;
    store(s_.at.used + index_at, used_, __ATOMIC_RELEASE);
    if (log)
        log.mark(s_.at.used_guest + index_at, sizeof used_);
    full_barrier(); // before what the driver wants is looked at
    const auto before = std::exchange(shown_, used_);
    const bool first = !std::exchange(has_shown_, true);
    if (!s_.event_index)
        return (load(s_.at.available) & no_interrupt) == 0;
    return first || passes(load(s_.at.available + ring_at + 2U * s_.size), before, used_);
}

bool split_queue::ask_for_kicks() noexcept
{
    if (s_.event_index)
        store(s_.at.used + ring_at + 8U * s_.size, seen_); // what is known already is passed
    else
        store(s_.at.used, 0);
    kicks_ = true;
    full_barrier(); // before a last look
    const std::uint32_t before = known();
    return available(before + 1) > before;
}

void split_queue::refuse_kicks() noexcept
{
    if (!s_.event_index && kicks_)
        store(s_.at.used, no_notify);
    kicks_ = false;
}

} // namespace tapioca::vhost
