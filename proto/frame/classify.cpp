#include "proto/frame/classify.hpp"

namespace tapioca {
namespace {

struct ports {
    be16 source, destination;
};
static_assert(sizeof(ports) == 4 && wire_header<ports>);

parsed<packet> with_ports(packet p, packet_kind kind) noexcept
{
    reader in{p.l4};
    const auto both = TAPIOCA_TRY(in.take<ports>());
    p.kind = kind;
    p.source_port = both.source;
    p.destination_port = both.destination;
    return p;
}

parsed<packet> classify_ipv4(packet p) noexcept
{
    const auto ip = TAPIOCA_TRY(wire::parse_ipv4(p.l3, p.body.octets));
    p.source = ip.source;
    p.destination = ip.destination;
    p.ttl = ip.ttl;
    p.tos = ip.tos;
    p.dont_fragment = ip.dont_fragment;
    p.l4 = ip.payload;
    p.body.octets = ip.beyond;
    if (p.source.is_loopback() || p.destination.is_loopback())
        return drop_reason::loopback_address;
    if (ip.more_fragments || ip.fragment_offset != 0) {
        p.kind = packet_kind::fragment;
        return p;
    }
    return classify_upper(p, ip.protocol);
}

parsed<packet> classify_ipv6(packet p) noexcept
{
    const auto ip = TAPIOCA_TRY(wire::parse_ipv6(p.l3, p.body.octets));
    p.source = ip.source;
    p.destination = ip.destination;
    p.ttl = ip.hop_limit;
    p.tos = ip.traffic_class;
    p.dont_fragment = true;
    p.l4 = ip.payload;
    p.body.octets = ip.beyond;
    if (p.source.is_loopback() || p.destination.is_loopback())
        return drop_reason::loopback_address;
    if (p.source.is_v4() || p.destination.is_v4()) // ::ffff:0:0/96 never appears on a wire: RFC 6890
        return drop_reason::not_unicast;
    if (ip.more_fragments || ip.fragment_offset != 0) {
        p.kind = packet_kind::fragment;
        return p;
    }
    return classify_upper(p, ip.protocol);
}

} // namespace

parsed<packet> classify_upper(packet p, octet protocol) noexcept
{
    const bool v4 = p.source.is_v4();
    switch (protocol) {
    case wire::protocol_tcp:
        return with_ports(p, packet_kind::tcp);
    case wire::protocol_udp:
        return with_ports(p, packet_kind::udp);
    case wire::protocol_icmp:
        p.kind = packet_kind::icmp;
        break;
    case wire::protocol_icmpv6:
        p.kind = packet_kind::icmpv6;
        break;
    case wire::protocol_igmp:
        return v4 ? drop_reason::group_membership : drop_reason::unknown_protocol;
    default:
        return drop_reason::unknown_protocol;
    }
    if (v4 != (p.kind == packet_kind::icmp))
        return drop_reason::unknown_protocol;
    return p;
}

parsed<packet> classify(bytes_view frame, const scattered_view& body) noexcept
{
    reader in{frame};
    const auto ethernet = TAPIOCA_TRY(in.take<wire::ethernet_header>());
    packet p;
    p.source_mac = ethernet.source;
    p.destination_mac = ethernet.destination;
    p.l3 = in.rest();
    p.body = body;
    switch (static_cast<wire::ethertype>(std::uint16_t{ethernet.type})) {
    case wire::ethertype::arp:
        return p;
    case wire::ethertype::ipv4:
        return classify_ipv4(p);
    case wire::ethertype::ipv6:
        return classify_ipv6(p);
    }
    return wire::is_link_constrained(ethernet.destination) ? drop_reason::link_protocol : drop_reason::unknown_ethertype;
}

} // namespace tapioca
