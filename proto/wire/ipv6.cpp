#include "proto/wire/ipv6.hpp"

namespace tapioca::wire {
namespace {

constexpr int most_extension_headers = 8;

struct extension_header {
    octet next_header;
    octet length; ///< in units of eight octets, not counting the first eight
};
static_assert(sizeof(extension_header) == 2 && wire_header<extension_header>);

/// Takes a fragment header into `p`. True if the chain may be followed further: the packet is whole (RFC 6946 "atomic fragment").
parsed<bool> take_fragment(reader& in, ipv6_packet& p) noexcept
{
    const auto f = TAPIOCA_TRY(in.take<ipv6_fragment_header>());
    if (p.fragment)
        return drop_reason::extension_header;
    p.fragment = true;
    p.protocol = f.next_header;
    p.fragment_offset = static_cast<std::uint16_t>(f.offset_more & 0xfff8U);
    p.more_fragments = (f.offset_more & 1U) != 0;
    p.identification = f.identification;
    return p.fragment_offset == 0 && !p.more_fragments;
}

} // namespace

parsed<ipv6_packet> parse_ipv6(bytes_view l3) noexcept
{
    reader frame{l3};
    const auto h = TAPIOCA_TRY(frame.take<ipv6_header>());
    if (h.version_class_flow >> 28 != 6)
        return drop_reason::bad_version;
    if (h.payload_length > frame.size())
        return drop_reason::bad_length;

    ipv6_packet p;
    p.source = ip_address{h.source};
    p.destination = ip_address{h.destination};
    p.hop_limit = h.hop_limit;
    p.traffic_class = static_cast<octet>(h.version_class_flow >> 20);
    p.flow_label = h.version_class_flow & 0xfffffU;
    p.protocol = h.next_header;

    reader in{frame.rest().first(h.payload_length)};
    for (int headers = 0;; ++headers) {
        bool more = true;
        switch (p.protocol) {
        case protocol_hop_by_hop:
            if (headers != 0) // RFC 8200 section 4.1: only directly behind the IPv6 header
                return drop_reason::extension_header;
            [[fallthrough]];
        case protocol_routing:
        case protocol_destination_options: {
            const auto e = TAPIOCA_TRY(in.take<extension_header>());
            (void)TAPIOCA_TRY(in.take(std::size_t{e.length} * 8 + 6));
            p.protocol = e.next_header;
            break;
        }
        case protocol_fragment:
            more = TAPIOCA_TRY(take_fragment(in, p));
            break;
        case protocol_no_next:
            return drop_reason::extension_header;
        default:
            more = false;
        }
        if (!more)
            break;
        if (headers == most_extension_headers)
            return drop_reason::extension_header;
    }
    p.header_length = static_cast<std::uint16_t>(l3.size() - (frame.size() - h.payload_length) - in.size());
    p.payload = in.rest();
    return p;
}

ipv6_header make_ipv6(const ipv6_fields& f, std::size_t payload_length) noexcept
{
    ipv6_header h{};
    h.version_class_flow = 6U << 28 | std::uint32_t{f.traffic_class} << 20 | (f.flow_label & 0xfffffU);
    h.payload_length = static_cast<std::uint16_t>(payload_length);
    h.next_header = f.next_header;
    h.hop_limit = f.hop_limit;
    h.source = f.source.octets();
    h.destination = f.destination.octets();
    return h;
}

} // namespace tapioca::wire
