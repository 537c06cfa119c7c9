#include "proto/forward/resolver_choice.hpp"

#include <algorithm>

namespace tapioca {

void resolver_choice::follow(const resolver_list& list) noexcept
{
    if (std::equal(list.begin(), list.end(), list_.begin(), list_.end()))
        return;
    list_ = list;
    avoided_until_ = {};
    preferred_until_ = {};
    ++generation_;
}

std::optional<unsigned> resolver_choice::find(const ip_address& resolver) const noexcept
{
    const auto at = std::find(list_.begin(), list_.end(), resolver);
    return at == list_.end() ? std::nullopt : std::optional{static_cast<unsigned>(at - list_.begin())};
}

std::optional<unsigned> resolver_choice::next(set tried, instant now) const noexcept
{
    if (now < preferred_until_ && (tried & bit(preferred_)) == 0)
        return preferred_;
    std::optional<unsigned> avoided;
    for (unsigned i = 0; i < list_.size(); ++i) {
        if ((tried & bit(i)) != 0)
            continue;
        if (now >= avoided_until_[i])
            return i;
        if (!avoided)
            avoided = i;
    }
    return avoided;
}

void resolver_choice::on_answer(unsigned which, set silent, instant now) noexcept
{
    avoided_until_[which] = {};
    if ((silent & ~bit(which)) == 0)
        return;
    preferred_ = which;
    preferred_until_ = now + prefers_for;
}

void resolver_choice::on_silence(unsigned which, instant now) noexcept
{
    avoided_until_[which] = now + avoids_for;
    if (preferred_ == which)
        preferred_until_ = {};
}

} // namespace tapioca
