// ARP (RFC 826) for IPv4 over Ethernet.
#pragma once

#include "proto/base/address.hpp"

namespace tapioca::wire {

struct arp_header {
    be16 hardware_type, protocol_type;
    octet hardware_length, protocol_length;
    be16 operation;
    mac_address sender_mac;
    ipv4_octets sender;
    mac_address target_mac;
    ipv4_octets target;
};
static_assert(sizeof(arp_header) == 28 && wire_header<arp_header>);

inline constexpr std::uint16_t arp_request_operation = 1;
inline constexpr std::uint16_t arp_reply_operation = 2;

struct arp_message {
    std::uint16_t operation = 0;
    mac_address sender_mac;
    ip_address sender;
    mac_address target_mac;
    ip_address target;
};

/// Other hardware or protocol types than Ethernet and IPv4 yield `bad_type`; octets behind the message (padding) are ignored.
[[nodiscard]] parsed<arp_message> parse_arp(bytes_view arp) noexcept;

[[nodiscard]] arp_header make_arp(const arp_message& message) noexcept;

} // namespace tapioca::wire
