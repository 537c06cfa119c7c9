// Links, addresses and routes of a network namespace as values, read by netlink. Read first: rtnetlink(7).
#pragma once

#include "daemon/os/netlink.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tapioca::os {

struct link_entry {
    int index = 0;
    std::string name;
    std::vector<std::string> alternative_names; ///< up to 127 octets each, since Linux 5.5
    mac_address mac;
    std::uint32_t mtu = 0;
    bool loopback = false;
};

/// How far an address or a route reaches, narrowest last.
enum class reach : std::uint8_t { universe, site, link, host, nowhere };

struct address_entry {
    int interface_index = 0;
    prefix address;             ///< of this end
    std::optional<prefix> peer; ///< of a point-to-point link's other end; its length is that of `address`
    std::optional<ip_address> broadcast;
    reach scope = reach::universe;
    bool usable = true;       ///< neither deprecated nor a duplicate
    bool prefix_route = true; ///< the kernel adds the route to the prefix by itself
    std::uint32_t metric = 0; ///< of that route; 0: the kernel's default
};

struct nexthop {
    int interface_index = 0;
    ip_address gateway; ///< unspecified: none; may be of the other family (RFC 5549)
    unsigned weight = 1;
};

struct route_entry {
    prefix destination;
    ip_address preferred_source; ///< unspecified: none
    std::uint32_t metric = 0;
    std::uint8_t tos = 0;
    bool by_kernel = false;        ///< made by the kernel, for an address
    std::vector<nexthop> nexthops; ///< one or more
};

/// The interface of that name, or alternative name; null if there is none.
[[nodiscard]] const link_entry* find_link(const std::vector<link_entry>& links, std::string_view name);

[[nodiscard]] std::optional<link_entry> parse_link(const nlmsghdr& message);
[[nodiscard]] std::optional<address_entry> parse_address(const nlmsghdr& message);
/// Nothing for what is not a unicast route of the main table with an output interface.
[[nodiscard]] std::optional<route_entry> parse_route(const nlmsghdr& message);

/// The address whose packets a route of the table `local` delivers; nothing for other routes.
[[nodiscard]] std::optional<ip_address> parse_local_route(const nlmsghdr& message);

[[nodiscard]] result<std::vector<link_entry>> read_links(netlink_socket& socket);
[[nodiscard]] result<std::vector<address_entry>> read_addresses(netlink_socket& socket, ip_family family);

/// Hands every unicast route of the main table to `each`, those of one destination by ascending metric.
/// `restart` is called before a dump is repeated because the table changed meanwhile.
[[nodiscard]] result<void> read_routes(netlink_socket& socket, ip_family family,
                                       const std::function<void(const nlmsghdr&, route_entry&&)>& each,
                                       const std::function<void()>& restart);

/// Hands every route of IPv6 in the table `local` to `each`.
[[nodiscard]] result<void> read_local_routes(netlink_socket& socket, const std::function<void(const nlmsghdr&)>& each);

/// A request for a copy of a route in another namespace: with the hops through the interface `from` only, and without what
/// belongs to the host alone (preferred source, nexthop object, cache data, state flags). Nothing if no hop remains.
[[nodiscard]] std::optional<netlink_message> copy_route(const nlmsghdr& route, int from);
/// Sets the output interface of every hop.
void set_output(netlink_message& route, int interface_index);

} // namespace tapioca::os
