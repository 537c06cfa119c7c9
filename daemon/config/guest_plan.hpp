// What the guest is told about its network, and which of its addresses mean something else on the host: the user's options where
// there are any, the host's network otherwise.
#pragma once

#include "daemon/config/host_network.hpp"
#include "daemon/config/options.hpp"
#include "proto/forward/address_map.hpp"
#include "proto/responder/guest_network.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tapioca {

/// `duid_time`: seconds since 2000-01-01 UTC (RFC 8415 section 11.2).
[[nodiscard]] guest_network plan_guest(const options& opts, const host_network& host, std::uint32_t duid_time);

/// All that queries of a family may go to, in the order of resolv.conf; more than glibc would ask are left out.
[[nodiscard]] resolver_list resolvers_of(const options& opts, const host_network& host, ip_family family);
/// What becomes of queries to a forwarded address while the host has no resolver of its family.
enum class without_resolvers : std::uint8_t {
    not_forwarded, ///< the address is like any other
    queries_fail,  ///< they are answered, with a failure: resolvers may yet come
};
[[nodiscard]] address_map plan_translation(const options& opts, const host_network& host,
                                           without_resolvers then = without_resolvers::not_forwarded);

/// The gateway of the guest: as given, else the host's; unspecified if there is none.
[[nodiscard]] ip_address guest_gateway(const options& opts, const host_network& host, ip_family family);

/// The guest's host name where the user named none: "pasta-" and the host's name, as long as the kernel takes one.
[[nodiscard]] std::string default_hostname(const std::string& host_name);

/// What the user should know about resolvers that are missing although the guest is to be told some.
[[nodiscard]] std::vector<std::string> resolver_warnings(const options& opts, const host_network& host,
                                                         const guest_network& guest);

} // namespace tapioca
