// Which datagrams may travel as one: those of equal size that follow each other, of which only the last may be shorter. That is
// what UDP_SEGMENT and UDP_GRO (udp(7)) and the USO frames of virtio-net (VIRTIO_NET_HDR_GSO_UDP_L4) can carry without losing the
// boundaries.
#pragma once

#include "proto/base/result.hpp"
#include "proto/wire/virtio_net.hpp"

#include <cstddef>

namespace tapioca {

/// How many datagrams `octets` are, of `segment` each but the last; 0: whatever it is, one.
[[nodiscard]] constexpr std::size_t datagrams_in(std::size_t octets, std::size_t segment) noexcept
{
    return segment == 0 || octets == 0 ? 1 : (octets + segment - 1) / segment;
}

class segment_run {
public:
    static constexpr std::size_t most_segments = 64; ///< UDP_MAX_SEGMENTS before Linux 6.9

    /// Appends `octets` that are datagrams of `segment` octets each, the last possibly shorter; a lone datagram has its own size
    /// as `segment`. False, and nothing is changed, if they cannot follow what is there; an empty run takes anything.
    constexpr bool add(std::size_t octets, std::size_t segment, std::size_t most_octets) noexcept
    {
        const std::size_t more = datagrams_in(octets, segment);
        if (segments_ == 0) {
            segment_ = segment;
        } else {
            const bool fits = segment == segment_ || (more == 1 && octets < segment_);
            if (ended_ || !fits || octets == 0 || segments_ + more > most_segments || octets_ + octets > most_octets)
                return false;
        }
        segments_ += more;
        octets_ += octets;
        ended_ = segment_ == 0 || octets_ % segment_ != 0;
        return true;
    }

    [[nodiscard]] constexpr bool empty() const noexcept { return segments_ == 0; }
    [[nodiscard]] constexpr std::size_t segments() const noexcept { return segments_; }
    [[nodiscard]] constexpr std::size_t segment() const noexcept { return segment_; } ///< size of all but the last
    [[nodiscard]] constexpr std::size_t octets() const noexcept { return octets_; }

private:
    std::size_t segments_ = 0, segment_ = 0, octets_ = 0;
    bool ended_ = false; ///< by a shorter or an empty datagram
};

/// The size of the datagrams that `octets` of a frame's payload are cut into, as its offload header says; or that the header
/// makes no sense: more of them than any kernel sends as one would cost us a call each.
[[nodiscard]] constexpr parsed<std::size_t> datagram_size(const wire::virtio_net_header& vnet, std::size_t octets) noexcept
{
    constexpr std::size_t most_in_frame = 128; // UDP_MAX_SEGMENTS since Linux 6.9
    if (vnet.gso_type == wire::vnet_gso_none)
        return octets;
    if (vnet.gso_type != wire::vnet_gso_udp_l4 || vnet.gso_size == 0 || octets > most_in_frame * vnet.gso_size)
        return drop_reason::tap_gso;
    return octets > vnet.gso_size ? vnet.gso_size : octets;
}

/// The most octets of UDP payload that one packet's length fields can count.
[[nodiscard]] constexpr std::size_t most_run_octets(bool ipv4) noexcept { return 65535U - (ipv4 ? 20U : 40U) - 8U; }

} // namespace tapioca
