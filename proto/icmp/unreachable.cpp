#include "proto/icmp/unreachable.hpp"

#include "proto/icmp/quotation.hpp"
#include "proto/wire/icmp.hpp"

namespace tapioca {

namespace {

bool is_unreachable(const wire::icmp_header& h, bool v4) noexcept
{
    if (v4)
        return h.type == wire::icmpv4_unreachable && h.code != wire::icmpv4_code_fragmentation_needed;
    return h.type == wire::icmpv6_unreachable;
}

} // namespace

parsed<unreachable_segment> parse_unreachable(const packet& p) noexcept
{
    const bool v4 = p.kind == packet_kind::icmp;
    reader in{p.l4};
    const auto h = TAPIOCA_TRY(in.take<wire::icmp_header>());
    if (!is_unreachable(h, v4))
        return drop_reason::bad_type;
    const auto quoted = TAPIOCA_TRY(parse_quotation(p.source.family(), in.rest()));
    if (quoted.protocol != wire::protocol_tcp)
        return drop_reason::bad_type;
    if (quoted.source != p.destination)
        return drop_reason::not_for_us;
    reader upper{quoted.upper};
    const auto tcp = TAPIOCA_TRY(upper.take<quoted_transport>());
    if (!is_intact(p))
        return drop_reason::bad_checksum;
    const flow_key key{quoted.destination, quoted.source, tcp.destination_port, tcp.source_port, wire::protocol_tcp};
    return unreachable_segment{key, seq_number{tcp.sequence}};
}

} // namespace tapioca
