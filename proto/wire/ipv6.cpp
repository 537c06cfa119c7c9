#include "proto/wire/ipv6.hpp"

#include <algorithm>
#include <optional>

namespace tapioca::wire {
namespace {

constexpr int most_extension_headers = 8;

struct extension_header {
    octet next_header;
    octet length; ///< in units of eight octets, not counting the first eight
};
static_assert(sizeof(extension_header) == 2 && wire_header<extension_header>);

enum class behind { base_header, fragment_header };

/// Where a walk ended: at an upper layer, or behind the header of a real fragment.
struct chain_end {
    octet protocol = 0;
    bytes_view payload;
    std::optional<ipv6_fragment_header> fragment;
};

[[nodiscard]] bool is_atomic(const ipv6_fragment_header& f) noexcept { return (f.offset_more & 0xfff9U) == 0; } // RFC 6946

/// Takes the header that `c.protocol` announces. True if another may follow.
parsed<bool> take_header(reader& in, chain_end& c, behind start, bool first) noexcept
{
    switch (c.protocol) {
    case protocol_hop_by_hop:
        if (!first || start != behind::base_header) // RFC 8200 section 4.1: only directly behind the IPv6 header
            return drop_reason::extension_header;
        [[fallthrough]];
    case protocol_routing:
    case protocol_destination_options: {
        const auto e = TAPIOCA_TRY(in.take<extension_header>());
        (void)TAPIOCA_TRY(in.take(std::size_t{e.length} * 8 + 6));
        c.protocol = e.next_header;
        return true;
    }
    case protocol_fragment:
        if (c.fragment || start == behind::fragment_header)
            return drop_reason::extension_header;
        c.fragment = TAPIOCA_TRY(in.take<ipv6_fragment_header>());
        c.protocol = c.fragment->next_header;
        return is_atomic(*c.fragment);
    case protocol_no_next:
        return drop_reason::extension_header;
    default:
        return false;
    }
}

parsed<chain_end> walk_chain(octet first, bytes_view octets, behind start) noexcept
{
    reader in{octets};
    chain_end c;
    c.protocol = first;
    for (int headers = 0; TAPIOCA_TRY(take_header(in, c, start, headers == 0)); ++headers)
        if (headers == most_extension_headers)
            return drop_reason::extension_header;
    c.payload = in.rest();
    return c;
}

} // namespace

parsed<ipv6_packet> parse_ipv6(bytes_view l3, std::size_t beyond) noexcept
{
    reader frame{l3};
    const auto h = TAPIOCA_TRY(frame.take<ipv6_header>());
    if (h.version_class_flow >> 28 != 6)
        return drop_reason::bad_version;
    if (h.payload_length > frame.size() + beyond)
        return drop_reason::bad_length;
    const auto here = std::min<std::size_t>(h.payload_length, frame.size());
    const auto chain = TAPIOCA_TRY(walk_chain(h.next_header, frame.rest().first(here), behind::base_header));

    ipv6_packet p;
    p.source = ip_address{h.source};
    p.destination = ip_address{h.destination};
    p.hop_limit = h.hop_limit;
    p.traffic_class = static_cast<octet>(h.version_class_flow >> 20);
    p.flow_label = h.version_class_flow & 0xfffffU;
    p.protocol = chain.protocol;
    if (chain.fragment) {
        p.fragment = true;
        p.fragment_offset = static_cast<std::uint16_t>(chain.fragment->offset_more & 0xfff8U);
        p.more_fragments = (chain.fragment->offset_more & 1U) != 0;
        p.identification = chain.fragment->identification;
    }
    p.header_length = static_cast<std::uint16_t>(sizeof h + here - chain.payload.size());
    p.payload = chain.payload;
    p.beyond = h.payload_length - here;
    return p;
}

parsed<ipv6_upper> walk_upper(octet first, bytes_view octets) noexcept
{
    const auto chain = TAPIOCA_TRY(walk_chain(first, octets, behind::fragment_header));
    return ipv6_upper{chain.protocol, chain.payload};
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
