#include "proto/tcp/receive_store.hpp"

#include <algorithm>
#include <memory>

namespace tapioca::tcp {

receive_store::put_result receive_store::put(queue& q, std::uint32_t gap, bytes_view data) noexcept
{
    put_result result;
    if (gap == 0) {
        result.kept = chunks_.write(q.octets, q.length(), data);
        q.octets.length += result.kept;
        if (q.ranges_plus_one != 0) {
            const auto before = q.length();
            absorb(q);
            result.filled = q.length() - before;
        }
    } else {
        const auto from = q.length() + gap;
        const auto kept = chunks_.write(q.octets, from, data);
        if (kept != 0 && remember(q, {from, from + kept}))
            result.kept = kept;
    }
    if (q.length() == 0 && q.ranges_plus_one == 0)
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
        if (ranges[i].from > q.length()) {
            ++i;
            continue;
        }
        q.octets.length = std::max(q.length(), ranges[i].to);
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

void receive_store::consume(queue& q, std::uint32_t count) noexcept
{
    chunks_.consume(q.octets, count);
    if (q.ranges_plus_one != 0) {
        for (auto& r : sets_[q.ranges_plus_one - 1U].ranges)
            r = {r.from - count, r.to - count};
    } else if (q.length() == 0) {
        chunks_.release(q.octets);
    }
}

void receive_store::forget_behind_gaps(queue& q) noexcept
{
    if (q.ranges_plus_one != 0)
        free_ranges(q);
    if (q.length() == 0)
        release(q);
}

void receive_store::release(queue& q) noexcept
{
    chunks_.release(q.octets);
    if (q.ranges_plus_one != 0)
        free_ranges(q);
}

} // namespace tapioca::tcp
