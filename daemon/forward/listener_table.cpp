#include "daemon/forward/listener_table.hpp"

#include "proto/forward/rule_table.hpp"

#include <algorithm>
#include <utility>

namespace tapioca {

listener_table::listener_table(const forward_rules& host, const forward_rules& guest, bool may_change)
{
    std::uint32_t count = 0;
    auto* next = starts_.data();
    for (const auto* rules : {&host, &guest}) {
        for (std::size_t i = 0; i < rules->size(); ++i)
            next[i] = {std::exchange(count, count + (*rules)[i].port_count()), (*rules)[i].port_count(), (*rules)[i].first};
        next += forward_rules::capacity();
    }
    if (may_change)
        count = 2 * most_listening_sockets;
    if (count == 0)
        return;
    memory_ = os::arena{count * sizeof(place)};
    places_ = memory_.as<place>();
}

listener_table::~listener_table() { clear(); }

void listener_table::follow(const forward_rules& host, const forward_rules& guest) noexcept
{
    auto* starts = starts_.data();
    for (const auto* rules : {&host, &guest}) {
        for (std::size_t i = 0; i < rules->size(); ++i)
            if (auto& s = starts[i]; s.port != (*rules)[i].first || s.count != (*rules)[i].port_count())
                allot(s, (*rules)[i]);
        starts += forward_rules::capacity();
    }
}

/// The first places that no other rule has.
void listener_table::allot(start& s, const forward_rule& rule) noexcept
{
    s = {0, rule.port_count(), rule.first};
    for (bool moved = true; moved;) {
        moved = false;
        for (const auto& other : starts_)
            if (&other != &s && other.count != 0 && s.place < other.place + other.count && other.place < s.place + s.count) {
                s.place = other.place + other.count;
                moved = true;
            }
    }
    if (s.place + s.count > places_.size())
        s = {0, 0, rule.first};
}

std::optional<std::uint32_t> listener_table::rename(const listener_name& from, const listener_name& to) noexcept
{
    const auto* p = find(from);
    if (p == nullptr)
        return std::nullopt;
    os::unique_fd fd{p->fd()};
    places_[place_of(from)] = {};
    return put({std::move(fd), to});
}

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
    const auto into = static_cast<std::uint32_t>(name.port - rule.port);
    return into < rule.count ? rule.place + into : ~0U;
}

std::uint32_t listener_table::put(listening_socket l) noexcept
{
    const auto at = place_of(l.name);
    if (at >= places_.size())
        return at; // which find() knows nothing of; the socket is closed
    remove(l.name);
    places_[at] = {l.fd.release() + 1, l.name};
    first_used_ = std::min(first_used_, at);
    end_of_used_ = std::max(end_of_used_, at + 1);
    return at;
}

void listener_table::remove(const listener_name& name) noexcept
{
    const auto at = place_of(name);
    if (at >= places_.size())
        return;
    auto& p = places_[at];
    if (p.fd_plus_one != 0)
        os::unique_fd{p.fd()}.reset();
    p = {};
}

const listener_table::place* listener_table::find(std::uint32_t at) const noexcept
{
    return at < places_.size() && places_[at].fd_plus_one != 0 ? &places_[at] : nullptr;
}

} // namespace tapioca
