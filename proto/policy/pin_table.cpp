#include "proto/policy/pin_table.hpp"

#include <algorithm>

namespace tapioca {

bool pin_table::set(const pin& what) noexcept
{
    const auto words = words_of(what.address);
    const auto until = std::max<ticks>(what.until.time_since_epoch().count(), unused + 1);
    auto i = place_of(what.address);
    for (; entries_[i].until.load(std::memory_order_relaxed) != unused; i = (i + 1) & (capacity_ - 1))
        if (auto& e = entries_[i]; e.words == words && e.rule == what.rule && e.name == what.name) {
            e.until.store(until, std::memory_order_release);
            return true;
        }
    if (used_ >= capacity_ / 8 * 7)
        return false;
    auto& e = entries_[i];
    e.words = words;
    e.rule = what.rule;
    e.name = what.name;
    e.text = what.text;
    e.until.store(until, std::memory_order_release);
    ++used_;
    return true;
}

} // namespace tapioca
