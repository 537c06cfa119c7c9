#include "proto/icmp/path_mtu.hpp"

#include "proto/wire/icmp.hpp"
#include "proto/wire/ipv4.hpp"
#include "proto/wire/ipv6.hpp"

#include <algorithm>

namespace tapioca {
namespace {

/// The packet that is said to have been too big: as long as fits an IP header's length field, but for its IP and ICMP headers
/// unknown.
constexpr std::size_t claimed_length = 65535 - sizeof(wire::ipv4_header);

void put_quoted(writer& out, const path_mtu_notice& n) noexcept
{
    const bool v4 = n.guest.is_v4();
    if (v4) {
        wire::ipv4_fields f;
        f.source = n.guest;
        f.destination = n.remote;
        f.protocol = wire::protocol_icmp;
        out.put(wire::make_ipv4(f, claimed_length));
    } else {
        wire::ipv6_fields f;
        f.source = n.guest;
        f.destination = n.remote;
        f.next_header = wire::protocol_icmpv6;
        out.put(wire::make_ipv6(f, claimed_length));
    }
    wire::icmp_header reply{};
    reply.type = v4 ? wire::icmpv4_echo_reply : wire::icmpv6_echo_reply;
    out.put(reply);
}

} // namespace

std::size_t path_mtu_message(const path_mtu_notice& n, bytes_span out) noexcept
{
    const bool v4 = n.guest.is_v4();
    writer message{out};
    const auto header = message.skip(sizeof(wire::icmp_header));
    put_quoted(message, n);
    if (message.full())
        return 0;

    wire::icmp_header h{};
    h.type = v4 ? wire::icmpv4_unreachable : wire::icmpv6_packet_too_big;
    h.code = v4 ? wire::icmpv4_code_fragmentation_needed : octet{0};
    if (!v4)
        h.identifier = static_cast<std::uint16_t>(n.mtu >> 16);
    h.sequence = static_cast<std::uint16_t>(v4 ? std::min<std::uint32_t>(n.mtu, 0xffff) : n.mtu);
    const auto length = static_cast<std::uint32_t>(message.size());
    const auto pseudo = v4 ? 0 : pseudo_header_sum(n.reporter, n.guest, wire::protocol_icmpv6, length);
    h.checksum = checksum_of(pseudo + ones_sum(octets_of(h)) + ones_sum(message.written().subspan(sizeof h)));
    writer{header}.put(h);
    return message.size();
}

} // namespace tapioca
