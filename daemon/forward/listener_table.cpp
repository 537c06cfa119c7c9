#include "daemon/forward/listener_table.hpp"

#include <algorithm>
#include <utility>

namespace tapioca {

listener_table::listener_table(const forward_rules& host, const forward_rules& guest) : host_(host), guest_(guest)
{
    std::uint32_t count = 0;
    for (std::size_t i = 0; i < host.size(); ++i)
        first_[i] = std::exchange(count, count + host[i].port_count());
    for (std::size_t i = 0; i < guest.size(); ++i)
        first_[forward_rules::capacity() + i] = std::exchange(count, count + guest[i].port_count());
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
    const bool on_host = name.side == rule_side::host;
    const auto& rule = (on_host ? host_ : guest_)[name.rule];
    return first_[(on_host ? 0 : forward_rules::capacity()) + name.rule] + (name.port - rule.first);
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
