#include "daemon/forward/listener_table.hpp"

#include <algorithm>
#include <utility>

namespace tapioca {

listener_table::listener_table(const forward_rules& host, const forward_rules& guest)
{
    std::uint32_t count = 0;
    auto* next = starts_.data();
    for (const auto* rules : {&host, &guest}) {
        for (std::size_t i = 0; i < rules->size(); ++i)
            next[i] = {std::exchange(count, count + (*rules)[i].port_count()), (*rules)[i].first};
        next += forward_rules::capacity();
    }
    if (count == 0)
        return;
    memory_ = os::arena{count * sizeof(place)};
    places_ = memory_.as<place>();
}

listener_table::~listener_table() { clear(); }

void listener_table::clear() noexcept
{
    if (first_used_ >= end_of_used_)
        return;
    constexpr std::uint32_t share = 64;
    const auto used = places_.subspan(first_used_, end_of_used_ - first_used_);
    for (std::size_t first; (first = cleared_.fetch_add(share)) < used.size();)
        for (place& p : used.subspan(first, std::min<std::size_t>(share, used.size() - first)))
            if (p.fd_plus_one != 0)
                os::unique_fd{std::exchange(p.fd_plus_one, 0) - 1}.reset();
}

std::uint32_t listener_table::place_of(const listener_name& name) const noexcept
{
    const auto& rule = starts_[(name.side == rule_side::host ? 0 : forward_rules::capacity()) + name.rule];
    return rule.place + (name.port - rule.port);
}

std::uint32_t listener_table::put(listening_socket l) noexcept
{
    remove(l.name);
    const auto at = place_of(l.name);
    places_[at] = {l.fd.release() + 1, l.name};
    first_used_ = std::min(first_used_, at);
    end_of_used_ = std::max(end_of_used_, at + 1);
    return at;
}

void listener_table::remove(const listener_name& name) noexcept
{
    auto& p = places_[place_of(name)];
    if (p.fd_plus_one != 0)
        os::unique_fd{p.fd()}.reset();
    p = {};
}

const listener_table::place* listener_table::find(std::uint32_t at) const noexcept
{
    return at < places_.size() && places_[at].fd_plus_one != 0 ? &places_[at] : nullptr;
}

} // namespace tapioca
