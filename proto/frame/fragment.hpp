// Splits a datagram towards the guest into IPv4 (RFC 791 section 3.2) or IPv6 (RFC 8200 section 4.5) fragments for a link's MTU.
// Only headers are made here; the payload stays where it is and each fragment names its part of it, so that the caller writes
// both with one writev.
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/bytes.hpp"

#include <array>
#include <optional>

namespace tapioca {

struct outgoing_datagram {
    mac_address our_mac, guest_mac;
    ip_address source, destination;
    octet protocol = 0;
    octet ttl = 255, tos = 0;
    std::uint32_t identification = 0; ///< new for each datagram between two addresses; IPv4 takes the lower 16 bits
    bytes_view upper_header; ///< travels in front of the payload in the first fragment, its checksum complete; not longer than
                             ///< `longest_upper_header`
    std::size_t payload_length = 0; ///< behind it
};

struct outgoing_fragment {
    bytes_view headers; ///< Ethernet header to fragment header, and the upper header in the first; valid until the next `next`
    std::size_t offset = 0; ///< of its part of the payload
    std::size_t length = 0;
};

class fragmenter {
public:
    static constexpr std::size_t longest_upper_header = 60;
    static constexpr std::size_t longest_headers = 14 + 40 + 8 + longest_upper_header;

    /// `mtu` counts from the IP header on. A datagram that fits it travels whole, without a fragment header. DF is never
    /// set.
    fragmenter(const outgoing_datagram& datagram, std::size_t mtu) noexcept;

    /// The next fragment; nothing behind the last one, or if the datagram cannot be sent: it is longer than IP allows, its
    /// addresses differ in family, or the MTU leaves no room for the headers and eight octets.
    [[nodiscard]] std::optional<outgoing_fragment> next() noexcept;

    /// How many fragments there are in all; zero if the datagram cannot be sent.
    [[nodiscard]] std::size_t count() const noexcept { return count_; }

private:
    void put_ipv4(writer& out, std::size_t begin, std::size_t end) const noexcept;
    void put_ipv6(writer& out, std::size_t begin, std::size_t end) const noexcept;

    outgoing_datagram datagram_;
    std::size_t total_ = 0; ///< octets behind the IP header: upper header and payload
    std::size_t step_ = 0;  ///< how many of them a fragment takes, the last excepted
    std::size_t count_ = 0;
    std::size_t made_ = 0; ///< of `count_`
    std::array<octet, longest_headers> headers_{};
};

} // namespace tapioca
