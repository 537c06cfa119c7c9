// Telling a guest the MTU of a path without failing the socket that asked too much of it.
//
// A "fragmentation needed" (RFC 1191) or "packet too big" (RFC 8201) that quotes a datagram is an error of the datagram's socket:
// a connected UDP socket's next call fails with EMSGSIZE, even if it never minded fragments, and a program that only wanted its
// answer sees an error. Where the datagram is not lost, that is too much. Hosts learn the MTU from any quoted packet to the
// destination, so the message made here quotes an echo reply, which no socket has sent.
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/bytes.hpp"

namespace tapioca {

struct path_mtu_notice {
    ip_address reporter; ///< as the guest knows it
    ip_address guest, remote;
    std::uint32_t mtu = 0;
};

inline constexpr std::size_t longest_path_mtu_message = 8 + 40 + 8;

/// Writes the ICMP or ICMPv6 message, without an IP header. Its length; zero if there is no room.
[[nodiscard]] std::size_t path_mtu_message(const path_mtu_notice& notice, bytes_span out) noexcept;

} // namespace tapioca
