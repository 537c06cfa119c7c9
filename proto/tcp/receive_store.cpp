#include "proto/tcp/receive_store.hpp"

#include <algorithm>
#include <memory>

namespace tapioca::tcp {

receive_store::index receive_store::take_chunk() noexcept
{
    auto chunk = free_plus_one_;
    if (chunk != 0)
        free_plus_one_ = next_[chunk - 1U];
    else if (high_water_ < next_.size())
        chunk = ++high_water_;
    else
        return 0;
    next_[chunk - 1U] = 0;
    ++used_;
    return chunk;
}

void receive_store::free_chunk(std::uint32_t chunk) noexcept
{
    next_[chunk] = free_plus_one_;
    free_plus_one_ = static_cast<index>(chunk + 1);
    --used_;
}

/// Writes `data` at `position` from the queue's first octet on, chaining chunks as needed. Returns how many octets found room.
std::uint32_t receive_store::write(queue& q, std::uint32_t position, bytes_view data) noexcept
{
    if (q.head_plus_one == 0) {
        q.head_plus_one = take_chunk();
        if (q.head_plus_one == 0)
            return 0;
        q.offset = 0;
    }
    std::uint32_t at = q.offset + position;
    std::uint32_t chunk = q.head_plus_one - 1U;
    std::uint32_t written = 0;
    while (written < data.size()) {
        if (at >= chunk_octets) {
            if (next_[chunk] == 0)
                next_[chunk] = take_chunk();
            if (next_[chunk] == 0)
                break;
            chunk = next_[chunk] - 1U;
            at -= chunk_octets;
            continue;
        }
        const auto count = std::min<std::size_t>(data.size() - written, chunk_octets - at);
        std::memcpy(data_of(chunk) + at, data.data() + written, count);
        written += static_cast<std::uint32_t>(count);
        at += static_cast<std::uint32_t>(count);
    }
    return written;
}

receive_store::put_result receive_store::put(queue& q, std::uint32_t gap, bytes_view data) noexcept
{
    put_result result;
    if (gap == 0) {
        result.kept = write(q, q.length, data);
        q.length += result.kept;
        if (q.ranges_plus_one != 0) {
            const auto before = q.length;
            absorb(q);
            result.filled = q.length - before;
        }
    } else {
        const auto from = q.length + gap;
        const auto kept = write(q, from, data);
        if (kept != 0 && remember(q, {from, from + kept}))
            result.kept = kept;
    }
    if (q.length == 0 && q.ranges_plus_one == 0)
        release(q);
    return result;
}

/// Adds a range, joining those it touches. False if there is no room to remember it.
bool receive_store::remember(queue& q, range r) noexcept
{
    if (q.ranges_plus_one == 0) {
        if (free_set_plus_one_ != 0) {
            q.ranges_plus_one = free_set_plus_one_;
            free_set_plus_one_ = sets_[q.ranges_plus_one - 1U].next_free_plus_one;
        } else if (set_high_water_ < sets_.size()) {
            q.ranges_plus_one = ++set_high_water_;
        } else {
            return false;
        }
        std::construct_at(&sets_[q.ranges_plus_one - 1U]);
    }
    auto& ranges = sets_[q.ranges_plus_one - 1U].ranges;
    for (std::size_t i = 0; i < ranges.size();) {
        if (ranges[i].from <= r.to && r.from <= ranges[i].to) {
            r = {std::min(r.from, ranges[i].from), std::max(r.to, ranges[i].to)};
            ranges.erase(i);
        } else {
            ++i;
        }
    }
    return ranges.push_back(r);
}

/// Takes into `length` what has come into order.
void receive_store::absorb(queue& q) noexcept
{
    auto& ranges = sets_[q.ranges_plus_one - 1U].ranges;
    for (std::size_t i = 0; i < ranges.size();) {
        if (ranges[i].from > q.length) {
            ++i;
            continue;
        }
        q.length = std::max(q.length, ranges[i].to);
        ranges.erase(i);
        i = 0;
    }
    if (ranges.empty())
        free_ranges(q);
}

void receive_store::free_ranges(queue& q) noexcept
{
    sets_[q.ranges_plus_one - 1U].next_free_plus_one = free_set_plus_one_;
    free_set_plus_one_ = q.ranges_plus_one;
    q.ranges_plus_one = 0;
}

std::size_t receive_store::gather(const queue& q, std::span<bytes_view> pieces) const noexcept
{
    std::size_t count = 0;
    auto left = q.length;
    std::uint32_t at = q.offset;
    for (std::uint32_t chunk = q.head_plus_one; left != 0 && count < pieces.size(); chunk = next_[chunk - 1], at = 0) {
        const auto size = std::min(left, chunk_octets - at);
        pieces[count++] = {data_of(chunk - 1) + at, size};
        left -= size;
    }
    return count;
}

void receive_store::consume(queue& q, std::uint32_t count) noexcept
{
    q.length -= count;
    if (q.ranges_plus_one != 0) {
        for (auto& r : sets_[q.ranges_plus_one - 1U].ranges)
            r = {r.from - count, r.to - count};
    } else if (q.length == 0) {
        release(q);
        return;
    }
    auto offset = q.offset + count;
    for (; offset >= chunk_octets; offset -= chunk_octets) {
        const auto chunk = q.head_plus_one - 1U;
        q.head_plus_one = next_[chunk];
        free_chunk(chunk);
    }
    q.offset = static_cast<std::uint16_t>(offset);
}

void receive_store::forget_behind_gaps(queue& q) noexcept
{
    if (q.ranges_plus_one != 0)
        free_ranges(q);
    if (q.length == 0)
        release(q);
}

void receive_store::release(queue& q) noexcept
{
    for (std::uint32_t chunk = q.head_plus_one; chunk != 0;) {
        const auto next = next_[chunk - 1];
        free_chunk(chunk - 1);
        chunk = next;
    }
    if (q.ranges_plus_one != 0)
        free_ranges(q);
    q = {};
}

} // namespace tapioca::tcp
