// The virtio-net header in front of every frame of a tap opened with IFF_VNET_HDR (virtio 1.2 section 5.1.6; little-endian
// integers, which is what TUNSETVNETLE selects and the native order of a little-endian machine).
#pragma once

#include "proto/base/bytes.hpp"

namespace tapioca::wire {

/// The 12-octet form with num_buffers. Host integers: the tap uses the machine's order, and only little-endian machines are
/// supported.
struct virtio_net_header {
    octet flags = 0;
    octet gso_type = 0;
    std::uint16_t header_length = 0; ///< octets before the payload of a GSO frame
    std::uint16_t gso_size = 0;      ///< payload of each segment
    std::uint16_t csum_start = 0;    ///< where checksumming starts, from the Ethernet header on
    std::uint16_t csum_offset = 0;   ///< where the sum is stored, from csum_start on
    std::uint16_t num_buffers = 0;
};
static_assert(sizeof(virtio_net_header) == 12);

inline constexpr octet vnet_needs_csum = 1;
inline constexpr octet vnet_data_valid = 2;
inline constexpr octet vnet_gso_none = 0;
inline constexpr octet vnet_gso_tcpv4 = 1;
inline constexpr octet vnet_gso_tcpv6 = 4;
inline constexpr octet vnet_gso_udp_l4 = 5;
inline constexpr octet vnet_gso_ecn = 0x80;

} // namespace tapioca::wire
