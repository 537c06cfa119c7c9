#include "proto/forward/rules.hpp"

#include "proto/wire/protocol.hpp"

namespace tapioca {
namespace {

constexpr ip_address loopback4 = ip_address::v4(127, 0, 0, 1);
constexpr ip_address loopback6 = ip_address::v6({0, 0, 0, 0, 0, 0, 0, 1});

bool is_set(const ip_address& a) noexcept { return !a.is_unspecified(); }

bool is_query(octet protocol, std::uint16_t port) noexcept
{
    return (protocol == wire::protocol_tcp || protocol == wire::protocol_udp) && (port == 53 || port == 853);
}

} // namespace

endpoint outbound_destination(const translation& t, octet protocol, const endpoint& remote) noexcept
{
    const bool v4 = remote.address.is_v4();
    const auto& forward = v4 ? t.dns_forward4 : t.dns_forward6;
    const auto& loopback = v4 ? t.map_host_loopback4 : t.map_host_loopback6;
    const auto& guest = v4 ? t.map_guest_addr4 : t.map_guest_addr6;
    if (is_set(forward) && remote.address == forward && is_query(protocol, remote.port))
        return {v4 ? t.dns_host4 : t.dns_host6, remote.port};
    if (is_set(loopback) && remote.address == loopback)
        return {v4 ? loopback4 : loopback6, remote.port};
    if (is_set(guest) && remote.address == guest)
        return {v4 ? t.guest4 : t.guest6, remote.port};
    return remote;
}

std::optional<ip_address> inbound_source(const translation& t, const ip_address& peer, const ip_address& seen) noexcept
{
    const bool v4 = peer.is_v4();
    const auto& loopback = v4 ? t.map_host_loopback4 : t.map_host_loopback6;
    const auto& guest = v4 ? t.guest4 : t.guest6;
    const auto& map_guest = v4 ? t.map_guest_addr4 : t.map_guest_addr6;
    const auto& ours = v4 ? t.our_tap4 : t.our_tap6_ll;
    if (peer == (v4 ? loopback4 : loopback6) && is_set(loopback))
        return loopback;
    if (is_set(guest) && peer == guest && is_set(map_guest))
        return map_guest;
    const bool reachable = peer.is_unicast() && !peer.is_loopback() && peer != guest && peer != seen;
    if (reachable)
        return peer;
    if (is_set(ours))
        return ours;
    return std::nullopt;
}

} // namespace tapioca
