// For how long a guest may use what it is told of its network, in seconds.
#pragma once

#include "proto/responder/guest_network.hpp"

namespace tapioca {

struct lifetimes {
    std::uint32_t lease;        ///< of DHCP and DHCPv6
    std::uint16_t router;       ///< as a default router
    std::uint32_t preferred;    ///< of the prefix
    std::uint32_t valid;        ///< of the prefix
    std::uint32_t name_service; ///< of resolvers and search domains
};

inline constexpr std::uint32_t forever = 0xffffffff;
inline constexpr lifetimes lasting{forever, 65535, forever, forever, forever}; // RFC 8319 section 4: the longest of a router

/// Advertisements come every 600 s at the latest; three may be lost (RFC 4861 section 6.2.1, RFC 8106 section 5.1). A prefix
/// that is advertised no more stays valid for two hours, which no advertisement could shorten (RFC 4862 section 5.5.3, e).
inline constexpr lifetimes changing{600, 1800, 1800, 7200, 1800};

[[nodiscard]] constexpr const lifetimes& lifetimes_of(const guest_network& net) noexcept
{
    return net.may_change ? changing : lasting;
}

} // namespace tapioca
