// DHCPv6 (RFC 8415) with resolvers (RFC 3646) and names (RFC 4704), as a server sees a client's messages.
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/fixed_vector.hpp"

#include <optional>

namespace tapioca::wire {

inline constexpr std::uint16_t dhcpv6_server_port = 547;
inline constexpr std::uint16_t dhcpv6_client_port = 546;

/// RFC 8415 section 7.3; the two relay messages have a format of their own and are not for this link.
enum class dhcpv6_type : octet {
    solicit = 1,
    advertise,
    request,
    confirm,
    renew,
    rebind,
    reply,
    release,
    decline,
    reconfigure,
    information_request
};

/// RFC 8415 section 8.
struct dhcpv6_header {
    octet type;
    std::array<octet, 3> transaction;
};
static_assert(sizeof(dhcpv6_header) == 4 && wire_header<dhcpv6_header>);

/// RFC 8415 section 21.1: the length counts the value alone.
struct dhcpv6_option_header {
    be16 code, length;
};
static_assert(sizeof(dhcpv6_option_header) == 4 && wire_header<dhcpv6_option_header>);

inline constexpr std::uint16_t dhcpv6_client_id = 1;
inline constexpr std::uint16_t dhcpv6_server_id = 2;
inline constexpr std::uint16_t dhcpv6_ia_na = 3;
inline constexpr std::uint16_t dhcpv6_ia_ta = 4;
inline constexpr std::uint16_t dhcpv6_ia_address = 5;
inline constexpr std::uint16_t dhcpv6_status_code = 13;
inline constexpr std::uint16_t dhcpv6_rapid_commit = 14;
inline constexpr std::uint16_t dhcpv6_resolvers = 23;
inline constexpr std::uint16_t dhcpv6_search_list = 24;
inline constexpr std::uint16_t dhcpv6_ia_pd = 25;
inline constexpr std::uint16_t dhcpv6_client_fqdn = 39;

/// RFC 8415 section 21.13.
enum class dhcpv6_status : std::uint16_t { success = 0, no_addresses_available = 2, not_on_link = 4, no_prefix_available = 6 };

/// What IA_NA and IA_PD start with (RFC 8415 sections 21.4 and 21.21); IA_TA has the identifier alone (section 21.5).
struct dhcpv6_ia_header {
    be32 identifier, t1, t2;
};
static_assert(sizeof(dhcpv6_ia_header) == 12 && wire_header<dhcpv6_ia_header>);

/// RFC 8415 section 21.6.
struct dhcpv6_ia_address_value {
    ipv6_octets address;
    be32 preferred_lifetime, valid_lifetime;
};
static_assert(sizeof(dhcpv6_ia_address_value) == 24 && wire_header<dhcpv6_ia_address_value>);

/// The link-layer address plus time form of a server's identifier (RFC 8415 section 11.2), for Ethernet.
struct dhcpv6_duid_llt {
    be16 type, hardware_type;
    be32 time; ///< seconds since 2000-01-01 UTC
    mac_address address;
    constexpr bool operator==(const dhcpv6_duid_llt& other) const noexcept
    {
        return type == other.type && hardware_type == other.hardware_type && time == other.time && address == other.address;
    }
};
static_assert(sizeof(dhcpv6_duid_llt) == 14 && wire_header<dhcpv6_duid_llt>);

inline constexpr std::size_t longest_duid = 130; ///< RFC 8415 section 11.1: 128 octets and the type code

struct dhcpv6_option {
    std::uint16_t code = 0;
    bytes_view value;
};

/// Walks options; nothing at the end, `bad_option` where one is cut short.
class dhcpv6_option_walk {
public:
    explicit dhcpv6_option_walk(bytes_view options) noexcept : in_(options) {}
    [[nodiscard]] std::optional<parsed<dhcpv6_option>> next() noexcept;

private:
    reader in_;
};

/// Bounds of what is looked at in one message; what a client adds to it is ignored.
inline constexpr std::size_t most_ias = 8;
inline constexpr std::size_t most_ia_addresses = 4;

/// An identity association of any kind.
struct dhcpv6_ia {
    std::uint16_t code = 0; ///< IA_NA, IA_TA or IA_PD
    std::uint32_t identifier = 0;
    fixed_vector<ip_address, most_ia_addresses> addresses; ///< of IA_NA and IA_TA
};

struct dhcpv6_message {
    dhcpv6_type type{};
    std::array<octet, 3> transaction{};
    bytes_view client_id; ///< empty: none
    std::optional<bytes_view> server_id;
    fixed_vector<dhcpv6_ia, most_ias> ias;
    bool rapid_commit = false;
    std::optional<octet> fqdn_flags; ///< option 39 (RFC 4704 section 4.1)
};

/// Views point into `udp_payload`. Unknown and relay messages yield `bad_type`.
[[nodiscard]] parsed<dhcpv6_message> parse_dhcpv6(bytes_view udp_payload) noexcept;

} // namespace tapioca::wire
