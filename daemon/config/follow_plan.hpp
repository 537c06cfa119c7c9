// What becomes of a guest's network when the host's changes. What the guest has stays, and where it leads to is exchanged; or it
// has what the host has, where it is told (--follow guest).
#pragma once

#include "daemon/config/host_network.hpp"
#include "daemon/config/options.hpp"
#include "proto/forward/address_map.hpp"
#include "proto/responder/guest_network.hpp"

namespace tapioca {

/// What the guest was given.
struct network_at_start {
    host_network host;
    guest_network guest;
    tapioca::address_map address_map;
};

struct followed_network {
    guest_network guest;
    tapioca::address_map address_map;
    unsigned scope6 = 0;  ///< interface of link-local destinations
    host_places places{}; ///< for an egress policy; else empty
    bool operator==(const followed_network&) const = default;
};

/// Whether anything depends on what the host's resolvers are from now on.
[[nodiscard]] bool needs_resolvers_of_host(const options& opts);

/// The host as it is taken to be after a look: a family that has lost its network keeps what it had, for there is nothing better.
void update(host_network& host, const host_look& look);

/// By what the host is now. With --follow guest that is all. Otherwise a guest that was given a network of its own because the
/// host had none is given what has appeared, as far as it can be told: a namespace that was configured keeps its IPv4 address,
/// which is translated.
[[nodiscard]] followed_network follow_host(const options& opts, const network_at_start& start, const host_network& now);

/// What is told: a word for programs, and a line for people.
struct host_change {
    std::string_view name;
    std::string words;
    bool operator==(const host_change&) const = default;
};
/// One for each family that is another one, and for resolvers.
[[nodiscard]] std::vector<host_change> changes_of(const host_network& before, const host_network& now);

} // namespace tapioca
