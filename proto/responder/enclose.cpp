#include "proto/responder/enclose.hpp"

#include "proto/wire/ndp.hpp"

namespace tapioca {

std::size_t enclose_udp(bytes_span frame, const link_addresses& link, const endpoint& source, const endpoint& destination,
                        std::uint32_t flow_label, std::size_t length) noexcept
{
    const bool v4 = source.address.is_v4();
    const std::size_t room = v4 ? room_before_udp4 : room_before_udp6;
    const auto udp = wire::make_udp(source, destination, frame.subspan(room, length));
    writer out{frame.first(room)};
    out.put(wire::ethernet_header{link.destination, link.source,
                                  static_cast<std::uint16_t>(v4 ? wire::ethertype::ipv4 : wire::ethertype::ipv6)});
    if (v4) {
        wire::ipv4_fields f;
        f.source = source.address;
        f.destination = destination.address;
        f.protocol = wire::protocol_udp;
        out.put(wire::make_ipv4(f, sizeof udp + length));
    } else {
        wire::ipv6_fields f;
        f.source = source.address;
        f.destination = destination.address;
        f.next_header = wire::protocol_udp;
        f.flow_label = flow_label;
        out.put(wire::make_ipv6(f, sizeof udp + length));
    }
    out.put(udp);
    return room + length;
}

std::size_t enclose_icmpv6(bytes_span frame, const link_addresses& link, const ip_address& source, const ip_address& destination,
                           std::size_t length) noexcept
{
    const auto message = frame.subspan(room_before_icmpv6, length);
    const auto pseudo = pseudo_header_sum(source, destination, wire::protocol_icmpv6, static_cast<std::uint32_t>(length));
    const be16 checksum = checksum_of(pseudo + ones_sum(message));
    writer{message.subspan(2)}.put(checksum); // behind type and code
    wire::ipv6_fields f;
    f.source = source;
    f.destination = destination;
    f.next_header = wire::protocol_icmpv6;
    f.hop_limit = wire::nd_hop_limit;
    writer out{frame};
    out.put(wire::ethernet_header{link.destination, link.source, static_cast<std::uint16_t>(wire::ethertype::ipv6)});
    out.put(wire::make_ipv6(f, length));
    return room_before_icmpv6 + length;
}

} // namespace tapioca
