// What a guest was told of its network, and is to give up: prefixes and addresses for as long as it may still use them, resolvers
// for as long as it might remember them.
#pragma once

#include "daemon/config/follow_plan.hpp"
#include "proto/base/time.hpp"

#include <vector>

namespace tapioca {

class withdrawals {
public:
    /// The guest was told of `before`, and is told of `next` from now on. What has come back is withdrawn no more.
    void note(const guest_network& before, const guest_network& next, instant now);

    /// As the guest is to be told of it now; what it has forgotten by itself is left out. Until then resolvers that were
    /// withdrawn stand for those that the host has.
    void put_into(followed_network& network, instant now);

    [[nodiscard]] bool empty() const noexcept { return prefixes_.empty() && resolvers_.empty(); }

private:
    template <class What>
    struct withdrawn {
        What what;
        instant until;
    };
    template <class What>
    using list = std::vector<withdrawn<What>>;
    template <class What>
    static void add(list<What>& to, const What& what, instant until);

    list<prefix> prefixes_;
    list<ip_address> resolvers_;
};

} // namespace tapioca
