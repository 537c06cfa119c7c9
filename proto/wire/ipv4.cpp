#include "proto/wire/ipv4.hpp"

#include <algorithm>

namespace tapioca::wire {

parsed<ipv4_packet> parse_ipv4(bytes_view l3, std::size_t beyond) noexcept
{
    reader in{l3};
    const auto h = TAPIOCA_TRY(in.take<ipv4_header>());
    if (h.version_ihl >> 4 != 4)
        return drop_reason::bad_version;
    const std::size_t header_length = std::size_t{h.version_ihl & 0x0fU} * 4;
    if (header_length < sizeof h || header_length > l3.size())
        return drop_reason::bad_header_length;
    if (h.total_length < header_length || h.total_length > l3.size() + beyond)
        return drop_reason::bad_length;

    ipv4_packet p;
    p.source = ip_address{h.source};
    p.destination = ip_address{h.destination};
    p.identification = h.identification;
    p.fragment_offset = static_cast<std::uint16_t>((h.flags_fragment & ipv4_fragment_offset) * 8);
    p.more_fragments = (h.flags_fragment & ipv4_more_fragments) != 0;
    p.dont_fragment = (h.flags_fragment & ipv4_dont_fragment) != 0;
    p.protocol = h.protocol;
    p.ttl = h.ttl;
    p.tos = h.tos;
    p.header_length = static_cast<octet>(header_length);
    const auto here = std::min<std::size_t>(h.total_length, l3.size());
    p.payload = l3.subspan(header_length, here - header_length);
    p.beyond = h.total_length - here;
    return p;
}

ipv4_header make_ipv4(const ipv4_fields& f, std::size_t payload_length) noexcept
{
    ipv4_header h{};
    h.version_ihl = 0x45;
    h.tos = f.tos;
    h.total_length = static_cast<std::uint16_t>(sizeof h + payload_length);
    h.identification = f.identification;
    h.flags_fragment = f.flags_fragment;
    h.ttl = f.ttl;
    h.protocol = f.protocol;
    h.source = f.source.v4_octets();
    h.destination = f.destination.v4_octets();
    h.checksum = checksum_of(ones_sum(octets_of(h)));
    return h;
}

} // namespace tapioca::wire
