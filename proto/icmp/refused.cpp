#include "proto/icmp/refused.hpp"

#include "proto/wire/icmp.hpp"
#include "proto/wire/udp.hpp"

namespace tapioca {
namespace {

/// Addresses of the quoted packet, and the octets behind its IP header; the packet may end anywhere behind its UDP header.
struct quoted_packet {
    ip_address source, destination;
    bytes_view upper;
};

parsed<quoted_packet> parse_quoted_ipv4(bytes_view octets) noexcept
{
    reader in{octets};
    const auto h = TAPIOCA_TRY(in.take<wire::ipv4_header>());
    const std::size_t length = (h.version_ihl & 0x0fU) * 4U;
    if (h.version_ihl >> 4 != 4)
        return drop_reason::bad_version;
    if (length < sizeof h || (h.flags_fragment & wire::ipv4_fragment_offset) != 0 || h.protocol != wire::protocol_udp)
        return drop_reason::unknown_protocol;
    (void)TAPIOCA_TRY(in.take(length - sizeof h));
    return quoted_packet{ip_address{h.source}, ip_address{h.destination}, in.rest()};
}

parsed<quoted_packet> parse_quoted_ipv6(bytes_view octets) noexcept
{
    reader in{octets};
    const auto h = TAPIOCA_TRY(in.take<wire::ipv6_header>());
    if (h.version_class_flow >> 28 != 6)
        return drop_reason::bad_version;
    if (h.next_header != wire::protocol_udp)
        return drop_reason::unknown_protocol;
    return quoted_packet{ip_address{h.source}, ip_address{h.destination}, in.rest()};
}

} // namespace

std::optional<flow_key> refused_datagram(const packet& p) noexcept
{
    const bool v4 = p.kind == packet_kind::icmp;
    if (!v4 && p.kind != packet_kind::icmpv6)
        return std::nullopt;
    reader in{p.l4};
    const auto h = in.take<wire::icmp_header>();
    if (!h || h->type != (v4 ? wire::icmpv4_unreachable : wire::icmpv6_unreachable) ||
        h->code != (v4 ? wire::icmpv4_code_port : wire::icmpv6_code_port))
        return std::nullopt;
    const auto quoted = v4 ? parse_quoted_ipv4(in.rest()) : parse_quoted_ipv6(in.rest());
    if (!quoted || quoted->destination != p.source)
        return std::nullopt;
    reader upper{quoted->upper};
    const auto udp = upper.take<wire::udp_header>();
    if (!udp)
        return std::nullopt;
    return flow_key{quoted->destination, quoted->source, udp->destination_port, udp->source_port, wire::protocol_udp};
}

} // namespace tapioca
