// What the kernel knows of a connection: TCP_INFO (tcp(7)).
#pragma once

#include "daemon/os/error.hpp"

#include <cstdint>

namespace tapioca::os {

struct tcp_figures {
    std::uint8_t state = 0; ///< the kernel's number of it, as in /proc/net/tcp
    std::uint32_t round_trip_us = 0, round_trip_variation_us = 0;
    std::uint32_t congestion_window = 0;  ///< segments
    std::uint32_t largest_segment = 0;    ///< octets, towards the peer
    std::uint32_t retransmissions = 0;    ///< segments, since the connection began
    std::uint64_t acknowledged = 0;       ///< octets that the peer has acknowledged
    std::uint64_t sent = 0, received = 0; ///< octets, each once; read or not

    /// Octets alone, of a connection that may be over. `ended`: by a FIN of the peer.
    [[nodiscard]] std::uint64_t octets_received(bool ended) const noexcept
    {
        constexpr std::uint8_t over = 7; // then the kernel does not say whether it has counted a FIN
        return state == over && ended && received != 0 ? received - 1 : received;
    }
};

[[nodiscard]] result<tcp_figures> figures_of_tcp(int fd) noexcept;

} // namespace tapioca::os
