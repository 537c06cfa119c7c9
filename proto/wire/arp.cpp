#include "proto/wire/arp.hpp"

#include "proto/wire/ethernet.hpp"

namespace tapioca::wire {
namespace {

constexpr std::uint16_t hardware_ethernet = 1;
constexpr auto protocol_ipv4 = static_cast<std::uint16_t>(ethertype::ipv4);

} // namespace

parsed<arp_message> parse_arp(bytes_view arp) noexcept
{
    reader in{arp};
    const auto h = TAPIOCA_TRY(in.take<arp_header>());
    if (h.hardware_type != hardware_ethernet || h.protocol_type != protocol_ipv4)
        return drop_reason::bad_type;
    if (h.hardware_length != sizeof(mac_address) || h.protocol_length != sizeof(ipv4_octets))
        return drop_reason::bad_length;
    return arp_message{h.operation, h.sender_mac, ip_address{h.sender}, h.target_mac, ip_address{h.target}};
}

arp_header make_arp(const arp_message& m) noexcept
{
    return {hardware_ethernet, protocol_ipv4,        sizeof(mac_address), sizeof(ipv4_octets), m.operation,
            m.sender_mac,      m.sender.v4_octets(), m.target_mac,        m.target.v4_octets()};
}

} // namespace tapioca::wire
