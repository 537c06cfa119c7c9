// What a vhost-user network back-end of ours can do: feature bits of the device (virtio 1.2 sections 5.1.3 and 6) and of the
// protocol.
#pragma once

#include <cstdint>

namespace tapioca::vhost {

using feature_set = std::uint64_t;

[[nodiscard]] constexpr feature_set bit(unsigned number) noexcept { return feature_set{1} << number; }

inline constexpr feature_set csum = bit(0), guest_csum = bit(1), mtu = bit(3);
inline constexpr feature_set guest_tso4 = bit(7), guest_tso6 = bit(8), guest_ecn = bit(9);
inline constexpr feature_set host_tso4 = bit(11), host_tso6 = bit(12), host_ecn = bit(13);
inline constexpr feature_set mrg_rxbuf = bit(15), ctrl_vq = bit(17), guest_announce = bit(21), mq = bit(22);
inline constexpr feature_set log_all = bit(26), indirect_desc = bit(28), event_idx = bit(29), protocol_features = bit(30);
inline constexpr feature_set version_1 = bit(32), in_order = bit(35);
inline constexpr feature_set guest_uso4 = bit(54), guest_uso6 = bit(55), host_uso = bit(56);

inline constexpr feature_set offered_features = csum | guest_csum | mtu | guest_tso4 | guest_tso6 | guest_ecn | host_tso4 |
                                                host_tso6 | host_ecn | mrg_rxbuf | ctrl_vq | guest_announce | mq | log_all |
                                                indirect_desc | event_idx | protocol_features | version_1 | in_order |
                                                guest_uso4 | guest_uso6 | host_uso;

/// Features of the protocol.
namespace with {
inline constexpr feature_set mq = bit(0), log_shmfd = bit(1), rarp = bit(2), reply_ack = bit(3), net_mtu = bit(4);
inline constexpr feature_set configure_mem_slots = bit(15), device_state = bit(19);
} // namespace with

inline constexpr feature_set offered_protocol_features =
    with::mq | with::log_shmfd | with::rarp | with::reply_ack | with::net_mtu | with::configure_mem_slots | with::device_state;

inline constexpr unsigned most_pairs = 16;
inline constexpr unsigned most_rings = 2 * most_pairs;
/// Each pair has one ring of either kind, that towards the guest first.
[[nodiscard]] constexpr bool is_to_guest(std::uint32_t ring) noexcept { return ring % 2 == 0; }

} // namespace tapioca::vhost
