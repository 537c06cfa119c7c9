#include "proto/vhost/memory_map.hpp"

#include <algorithm>

namespace tapioca::vhost {
namespace {

bool wraps(std::uint64_t begin, std::uint64_t size) noexcept { return begin + size < begin; }

bool overlap(std::uint64_t a, std::uint64_t a_size, std::uint64_t b, std::uint64_t b_size) noexcept
{
    return a < b + b_size && b < a + a_size;
}

} // namespace

std::string_view text_of(region_fault why) noexcept
{
    switch (why) {
    case region_fault::none:
        break;
    case region_fault::empty:
        return "a region without memory";
    case region_fault::wraps:
        return "a region that ends behind the last address";
    case region_fault::overlaps:
        return "regions that overlap";
    case region_fault::too_many:
        return "more regions than can be mapped";
    }
    return "";
}

region_fault memory_map::check(const region& r) const noexcept
{
    if (r.size == 0)
        return region_fault::empty;
    if (wraps(r.guest, r.size) || wraps(r.user, r.size) || wraps(r.offset, r.size))
        return region_fault::wraps;
    for (const auto& other : regions_)
        if (overlap(r.guest, r.size, other.what.guest, other.what.size) ||
            overlap(r.user, r.size, other.what.user, other.what.size))
            return region_fault::overlaps;
    return regions_.full() ? region_fault::too_many : region_fault::none;
}

std::optional<std::size_t> memory_map::find(const region& r) const noexcept
{
    for (std::size_t i = 0; i < regions_.size(); ++i)
        if (const auto& other = regions_[i].what; other.guest == r.guest && other.size == r.size && other.user == r.user)
            return i;
    return std::nullopt;
}

bool memory_map::share(const region& r) noexcept
{
    const auto at = find(r);
    if (!at || regions_[*at].what.offset != r.offset)
        return false;
    ++regions_[*at].uses;
    return true;
}

bool memory_map::unshare(const region& r) noexcept
{
    const auto at = find(r);
    if (!at || regions_[*at].uses == 1)
        return false;
    --regions_[*at].uses;
    return true;
}

std::optional<std::size_t> memory_map::remove(const region& r) noexcept
{
    const auto at = find(r);
    if (at)
        regions_.erase(*at);
    return at;
}

bytes_span memory_map::at_guest(std::uint64_t address, std::uint64_t length) const noexcept
{
    for (const auto& r : regions_)
        if (const auto into = address - r.what.guest; into < r.what.size) // below the region it wraps to a large number
            return {r.memory + into, static_cast<std::size_t>(std::min(length, r.what.size - into))};
    return {};
}

octet* memory_map::at_user(std::uint64_t address, std::uint64_t length) const noexcept
{
    for (const auto& r : regions_)
        if (const auto into = address - r.what.user; into < r.what.size)
            return length <= r.what.size - into ? r.memory + into : nullptr;
    return nullptr;
}

} // namespace tapioca::vhost
