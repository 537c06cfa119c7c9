#include "proto/icmp/too_big.hpp"

#include "proto/icmp/quotation.hpp"
#include "proto/wire/icmp.hpp"

namespace tapioca {

namespace {

constexpr std::uint32_t least_ipv6_mtu = 1280;

bool says_too_big(const wire::icmp_header& h, bool v4) noexcept
{
    if (v4)
        return h.type == wire::icmpv4_unreachable && h.code == wire::icmpv4_code_fragmentation_needed;
    return h.type == wire::icmpv6_packet_too_big;
}

} // namespace

parsed<too_big_packet> parse_too_big(const packet& p) noexcept
{
    const bool v4 = p.kind == packet_kind::icmp;
    reader in{p.l4};
    const auto h = TAPIOCA_TRY(in.take<wire::icmp_header>());
    if ((!v4 && p.kind != packet_kind::icmpv6) || !says_too_big(h, v4))
        return drop_reason::bad_type;
    const auto quoted = TAPIOCA_TRY(parse_quotation(p.source.family(), in.rest()));
    if (quoted.source != p.destination)
        return drop_reason::not_for_us;
    if (!is_intact(p))
        return drop_reason::bad_checksum;
    too_big_packet t{.key = {quoted.destination, quoted.source, 0, 0, quoted.protocol}};
    t.mtu = v4 ? std::uint32_t{h.sequence} : std::uint32_t{h.identifier} << 16 | h.sequence;
    if (!v4 && t.mtu < least_ipv6_mtu)
        return drop_reason::bad_length;
    reader upper{quoted.upper};
    if (quoted.protocol == wire::protocol_tcp || quoted.protocol == wire::protocol_udp) {
        const auto first = TAPIOCA_TRY(upper.take<quoted_transport>());
        t.key.guest_port = first.destination_port;
        t.key.remote_port = first.source_port;
        t.seq = seq_number{first.sequence};
        return t;
    }
    const auto echo = TAPIOCA_TRY(upper.take<wire::icmp_header>());
    if (quoted.protocol != (v4 ? wire::protocol_icmp : wire::protocol_icmpv6) ||
        echo.type != (v4 ? wire::icmpv4_echo_reply : wire::icmpv6_echo_reply))
        return drop_reason::bad_type;
    t.key.guest_port = echo.identifier;
    return t;
}

} // namespace tapioca
