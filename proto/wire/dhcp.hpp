// DHCP for IPv4 and the BOOTP that it grew from (RFC 2131, RFC 2132, RFC 951), as a server sees requests.
#pragma once

#include "proto/base/address.hpp"

#include <optional>

namespace tapioca::wire {

inline constexpr std::uint16_t dhcp_server_port = 67;
inline constexpr std::uint16_t dhcp_client_port = 68;

/// RFC 2131 section 2 figure 1, and the cookie that starts the options.
struct dhcp_header {
    octet operation, hardware_type, hardware_length, hops;
    be32 transaction;
    be16 seconds, flags;
    ipv4_octets client, yours, next_server, relay;
    std::array<octet, 16> hardware_address;
    std::array<octet, 64> server_name;
    std::array<octet, 128> file;
    be32 cookie;
};
static_assert(sizeof(dhcp_header) == 240 && wire_header<dhcp_header>);

inline constexpr octet dhcp_boot_request = 1;
inline constexpr octet dhcp_boot_reply = 2;
inline constexpr std::uint16_t dhcp_broadcast_flag = 0x8000;
inline constexpr std::uint32_t dhcp_cookie = 0x63825363;

/// Option 53 (RFC 2132 section 9.6). A request without it comes from a BOOTP client (RFC 1534 section 2).
enum class dhcp_type : octet { bootp, discover, offer, request, decline, ack, nak, release, inform };

inline constexpr octet dhcp_subnet_mask = 1;
inline constexpr octet dhcp_router = 3;
inline constexpr octet dhcp_resolvers = 6;
inline constexpr octet dhcp_host_name = 12;
inline constexpr octet dhcp_mtu = 26;
inline constexpr octet dhcp_requested_address = 50;
inline constexpr octet dhcp_lease_time = 51;
inline constexpr octet dhcp_overload = 52;
inline constexpr octet dhcp_message_type = 53;
inline constexpr octet dhcp_server_identifier = 54;
inline constexpr octet dhcp_parameter_list = 55;
inline constexpr octet dhcp_client_identifier = 61;
inline constexpr octet dhcp_rapid_commit = 80;      // RFC 4039
inline constexpr octet dhcp_client_fqdn = 81;       // RFC 4702
inline constexpr octet dhcp_search_list = 119;      // RFC 3397
inline constexpr octet dhcp_classless_routes = 121; // RFC 3442
inline constexpr octet dhcp_end = 255;

struct dhcp_request {
    dhcp_header header{};
    dhcp_type type = dhcp_type::bootp;
    std::optional<ip_address> requested; ///< option 50
    std::optional<ip_address> server;    ///< option 54
    std::optional<bytes_view> parameters;
    bytes_view client_identifier; ///< empty: none
    bool rapid_commit = false;
};

/// A client's message, its options taken from the option area and, where option 52 says so, from `file` and `server_name`.
/// Replies, messages without the cookie and options of a wrong length are refused. Views point into `udp_payload`.
[[nodiscard]] parsed<dhcp_request> parse_dhcp_request(bytes_view udp_payload) noexcept;

} // namespace tapioca::wire
