#include "daemon/config/withdrawals.hpp"

#include "proto/responder/lifetimes.hpp"

#include <algorithm>
#include <chrono>

namespace tapioca {
namespace {

/// What all of the guest's addresses have in common. Nothing is withdrawn of a network that reaches no further than the link.
prefix prefix4(const guest_network& guest) { return {guest.address4.address, 32}; }
prefix prefix6(const guest_network& guest) { return {prefix{guest.address6, 64}.network(), 64}; }

bool can_be_withdrawn(const prefix& p)
{
    return !p.address.is_unspecified() && !(p.address.is_link_local() && !p.address.is_v4());
}

template <class List>
bool has(const List& list, const ip_address& a)
{
    return std::find(list.begin(), list.end(), a) != list.end();
}

} // namespace

template <class What>
void withdrawals::add(list<What>& to, const What& what, instant until)
{
    std::erase_if(to, [&](const auto& w) { return w.what == what; });
    if (to.size() == most_withdrawn)
        to.erase(to.begin());
    to.push_back({what, until});
}

void withdrawals::note(const guest_network& before, const guest_network& next, instant now)
{
    using std::chrono::seconds;
    for (const auto of : {prefix4, prefix6}) {
        const prefix was = of(before), is = of(next);
        if (was != is && can_be_withdrawn(was))
            add(prefixes_, was, now + seconds{changing.valid});
        std::erase_if(prefixes_, [&](const auto& w) { return w.what == is; });
    }
    for (const auto told : {&guest_network::resolvers4, &guest_network::resolvers6}) {
        for (const auto& a : before.*told)
            if (!has(next.*told, a))
                add(resolvers_, a, now + seconds{changing.name_service});
        std::erase_if(resolvers_, [&](const auto& w) { return has(next.*told, w.what); });
    }
}

void withdrawals::put_into(followed_network& network, instant now)
{
    auto& guest = network.guest;
    std::erase_if(prefixes_, [now](const auto& w) { return w.until <= now; });
    std::erase_if(resolvers_, [now](const auto& w) { return w.until <= now; });
    guest.withdrawn.clear();
    for (const auto& w : prefixes_) {
        const auto left = std::chrono::ceil<std::chrono::seconds>(w.until - now).count();
        (void)guest.withdrawn.push_back({w.what, static_cast<std::uint32_t>(left)});
    }
    guest.withdrawn_resolvers.clear();
    for (const auto& w : resolvers_) {
        (void)guest.withdrawn_resolvers.push_back(w.what);
        auto& names = w.what.is_v4() ? network.address_map.names4 : network.address_map.names6;
        if (!has(names.resolvers, w.what) && !has(names.forwarded, w.what))
            (void)names.forwarded.push_back(w.what);
    }
}

} // namespace tapioca
