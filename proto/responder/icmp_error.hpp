// ICMP (RFC 792, RFC 1191) and ICMPv6 (RFC 4443) errors towards the guest, about packets that it sent and of which only the flow
// is known any more: the host's kernel reported the error (IP_RECVERR), or refused the datagram itself. The packet quoted in the
// error is rebuilt.
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/bytes.hpp"

namespace tapioca {

/// What went wrong, in the numbers of the family's ICMP: as the kernel's sock_extended_err has it.
struct icmp_cause {
    octet type = 0, code = 0;
    std::uint32_t info = 0; ///< the MTU with "fragmentation needed" and "packet too big", the pointer with "parameter problem"
};

/// The path towards the remote carries no packet longer than `mtu`: what EMSGSIZE means to the guest.
[[nodiscard]] icmp_cause too_big(ip_family family, std::uint32_t mtu) noexcept;
/// The remote cannot be reached: what EHOSTUNREACH means to the guest.
[[nodiscard]] icmp_cause host_unreachable(ip_family family) noexcept;

/// A policy does not let the packet pass: EHOSTUNREACH in IPv4, EACCES in IPv6.
[[nodiscard]] icmp_cause administratively_prohibited(ip_family family) noexcept;

struct icmp_error_request {
    mac_address our_mac{}, guest_mac{};
    ip_address offender{}; ///< who reports the error, as the guest knows it
    icmp_cause cause{};

    // The packet of the guest that the error is about.
    octet protocol = 0; ///< UDP, TCP, or the family's ICMP for an echo request
    endpoint guest{},
        remote{}; ///< its source and destination as the guest knows them; the guest's port is the identifier of an echo request
    std::uint32_t sequence = 0; ///< of a TCP segment or an echo request
    octet ttl = 255, tos = 0;
    bytes_view payload{};           ///< behind its UDP, TCP or ICMP header, as much as is known
    std::size_t payload_length = 0; ///< how long the payload was; less than what is known of it: that long
};

/// Writes the whole Ethernet frame. Its length; zero if the room does not suffice, the families differ, or the cause is no error
/// that the family defines for a quoted packet. IPv4 errors quote eight octets of payload at most, IPv6 errors what fits the
/// minimum MTU of 1280 octets (RFC 4443 section 2.4), and of TCP segments only the first eight octets are quoted, with ports and
/// sequence number.
[[nodiscard]] std::size_t icmp_error(const icmp_error_request& request, bytes_span out) noexcept;

} // namespace tapioca
