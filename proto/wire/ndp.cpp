#include "proto/wire/ndp.hpp"

#include "proto/base/checksum.hpp"
#include "proto/wire/icmp.hpp"

namespace tapioca::wire {
namespace {

/// The tests that RFC 4861 sections 6.1.1 and 7.1.1 have in common; yields the message's header.
template <wire_header Header>
parsed<Header> take_validated(reader& in, const ipv6_packet& ip) noexcept
{
    if (ip.hop_limit != nd_hop_limit)
        return drop_reason::bad_hop_limit;
    if (ip.fragment) // RFC 6980 section 5: silently ignored, be it an atomic fragment
        return drop_reason::extension_header;
    const auto length = static_cast<std::uint32_t>(ip.payload.size());
    const auto pseudo = pseudo_header_sum(ip.source, ip.destination, protocol_icmpv6, length);
    if (folded(pseudo + ones_sum(ip.payload)) != 0xffff)
        return drop_reason::bad_checksum;
    const auto h = TAPIOCA_TRY(in.take<Header>());
    if (h.code != 0)
        return drop_reason::bad_type;
    return h;
}

/// Walks the options and yields the source link-layer address; all others are skipped, as RFC 4861 section 4.6 asks.
parsed<std::optional<mac_address>> take_source_link_address(reader& in, const ipv6_packet& ip) noexcept
{
    std::optional<mac_address> address;
    while (!in.empty()) {
        const auto h = TAPIOCA_TRY(in.take<nd_option_header>());
        if (h.length == 0)
            return drop_reason::bad_option;
        const auto body = in.take(std::size_t{h.length} * 8 - sizeof h);
        if (!body)
            return drop_reason::bad_option;
        if (h.type != nd_source_link_address)
            continue;
        if (ip.source.is_unspecified())
            return drop_reason::bad_option;
        address = TAPIOCA_TRY(reader{*body}.take<mac_address>());
    }
    return address;
}

} // namespace

parsed<neighbour_solicitation_message> parse_neighbour_solicitation(const ipv6_packet& ip) noexcept
{
    reader in{ip.payload};
    const auto h = TAPIOCA_TRY(take_validated<nd_neighbour_header>(in, ip));
    neighbour_solicitation_message m;
    m.target = ip_address{h.target};
    if (!m.target.is_unicast() || m.target.is_v4())
        return drop_reason::not_unicast;
    m.source_link_address = TAPIOCA_TRY(take_source_link_address(in, ip));
    return m;
}

parsed<router_solicitation_message> parse_router_solicitation(const ipv6_packet& ip) noexcept
{
    reader in{ip.payload};
    (void)TAPIOCA_TRY(take_validated<icmp_header>(in, ip));
    return router_solicitation_message{TAPIOCA_TRY(take_source_link_address(in, ip))};
}

} // namespace tapioca::wire
