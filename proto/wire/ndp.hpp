// Neighbour Discovery (RFC 4861) with resolvers and search domains in router advertisements (RFC 8106).
#pragma once

#include "proto/base/address.hpp"
#include "proto/wire/ipv6.hpp"

#include <optional>

namespace tapioca::wire {

inline constexpr octet icmpv6_redirect = 137;
inline constexpr octet nd_hop_limit = 255; ///< RFC 4861 section 3.1: a packet from beyond a router cannot have it

/// Neighbour solicitation and advertisement (RFC 4861 sections 4.3 and 4.4).
struct nd_neighbour_header {
    octet type, code;
    be16 checksum;
    be32 flags; ///< reserved in a solicitation
    ipv6_octets target;
};
static_assert(sizeof(nd_neighbour_header) == 24 && wire_header<nd_neighbour_header>);

inline constexpr std::uint32_t nd_router_flag = 0x80000000;
inline constexpr std::uint32_t nd_solicited_flag = 0x40000000;
inline constexpr std::uint32_t nd_override_flag = 0x20000000;

/// RFC 4861 section 4.2.
struct nd_router_advertisement_header {
    octet type, code;
    be16 checksum;
    octet hop_limit, flags;
    be16 router_lifetime;
    be32 reachable_time, retransmission_time;
};
static_assert(sizeof(nd_router_advertisement_header) == 16 && wire_header<nd_router_advertisement_header>);

inline constexpr octet nd_managed_flag = 0x80;

/// RFC 4861 section 4.6: the length counts units of eight octets, this header included.
struct nd_option_header {
    octet type, length;
};
static_assert(sizeof(nd_option_header) == 2 && wire_header<nd_option_header>);

inline constexpr octet nd_source_link_address = 1;
inline constexpr octet nd_target_link_address = 2;
inline constexpr octet nd_prefix_information = 3;
inline constexpr octet nd_mtu = 5;
inline constexpr octet nd_resolvers = 25;      // RFC 8106 section 5.1
inline constexpr octet nd_search_domains = 31; // RFC 8106 section 5.2

struct nd_link_address_option {
    nd_option_header header;
    mac_address address;
};
static_assert(sizeof(nd_link_address_option) == 8 && wire_header<nd_link_address_option>);

struct nd_prefix_option {
    nd_option_header header;
    octet prefix_length, flags;
    be32 valid_lifetime, preferred_lifetime, reserved;
    ipv6_octets prefix;
};
static_assert(sizeof(nd_prefix_option) == 32 && wire_header<nd_prefix_option>);

inline constexpr octet nd_on_link_flag = 0x80;
inline constexpr octet nd_autonomous_flag = 0x40;

struct nd_mtu_option {
    nd_option_header header;
    be16 reserved;
    be32 mtu;
};
static_assert(sizeof(nd_mtu_option) == 8 && wire_header<nd_mtu_option>);

/// What stands in front of the addresses of a resolvers option and of the names of a search domains option.
struct nd_dns_option {
    nd_option_header header;
    be16 reserved;
    be32 lifetime;
};
static_assert(sizeof(nd_dns_option) == 8 && wire_header<nd_dns_option>);

struct neighbour_solicitation_message {
    ip_address target;
    std::optional<mac_address> source_link_address;
};
/// With the validation of RFC 4861 section 7.1.1; that the target is not unicast is an error, too.
[[nodiscard]] parsed<neighbour_solicitation_message> parse_neighbour_solicitation(const ipv6_packet& ip) noexcept;

struct router_solicitation_message {
    std::optional<mac_address> source_link_address;
};
/// With the validation of RFC 4861 section 6.1.1.
[[nodiscard]] parsed<router_solicitation_message> parse_router_solicitation(const ipv6_packet& ip) noexcept;

} // namespace tapioca::wire
