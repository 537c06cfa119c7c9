// Headers towards the guest, written in front of a payload that is already in place.
//
// Checksums are left partial: the pseudo-header's sum stands in the field, and the virtio-net header says where the rest belongs
// (VIRTIO_NET_HDR_F_NEEDS_CSUM). A back-end that does not offload completes them with complete_checksum().
//
// IPv4 packets with an identification may be fragmented on their way behind the guest, those without have DF set (RFC 6864). Each
// segment of a super-frame takes the next identification: whoever cuts it counts on. IPv6 has no such choice, and ignores it.
#pragma once

#include "proto/base/sequence.hpp"
#include "proto/frame/flow_key.hpp"
#include "proto/wire/ethernet.hpp"
#include "proto/wire/virtio_net.hpp"

#include <optional>

namespace tapioca {

/// The room that every header chain written here fits into: Ethernet, IPv6, TCP with options.
inline constexpr std::size_t most_header_octets = 14 + 40 + 40;

struct link_ends {
    mac_address ours, guest;
};

struct tcp_emission {
    seq_number seq, ack;
    octet flags = 0;
    std::uint16_t window = 0;
    std::uint32_t payload = 0;                        ///< octets behind the headers
    std::uint16_t mss = 0;                            ///< a larger payload makes a super-frame of segments of this size
    std::uint16_t mss_option = 0;                     ///< 0: no options; else MSS and window scale are announced
    std::optional<octet> scale_option = std::nullopt; ///< absent: only the MSS
    std::optional<std::uint16_t> identification = std::nullopt;
};

/// Writes the headers of a segment from `key.remote` to `key.guest` so that they end at `payload`, in front of which
/// most_header_octets must be writable. Returns how many octets they take.
[[nodiscard]] std::size_t emit_tcp(octet* payload, const link_ends& link, const flow_key& key, const tcp_emission& tcp,
                                   wire::virtio_net_header& vnet) noexcept;

struct udp_emission {
    std::uint32_t payload = 0;
    std::uint16_t segment = 0; ///< not 0: the payload is datagrams of this size, the last may be shorter
    octet ttl = 255, tos = 0;
    std::optional<std::uint16_t> identification = std::nullopt;
};

/// Likewise for a datagram, or a run of datagrams of equal size as one USO super-frame.
[[nodiscard]] std::size_t emit_udp(octet* payload, const link_ends& link, const flow_key& key, const udp_emission& udp,
                                   wire::virtio_net_header& vnet) noexcept;

struct ip_emission {
    octet protocol = 0;
    octet ttl = 255, tos = 0;
    std::optional<std::uint16_t> identification = std::nullopt;
};

/// Writes Ethernet and IP headers alone, in front of an upper layer of `length` octets whose checksum is complete.
[[nodiscard]] std::size_t emit_ip(octet* upper, const link_ends& link, const ip_address& source, const ip_address& destination,
                                  const ip_emission& ip, std::size_t length) noexcept;

/// Computes the checksum that a virtio-net header leaves to the device, in a frame that is no super-frame. `beyond`: the sum of
/// octets of the frame that follow elsewhere.
void complete_checksum(bytes_span frame, const wire::virtio_net_header& vnet, std::uint64_t beyond = 0) noexcept;

} // namespace tapioca
