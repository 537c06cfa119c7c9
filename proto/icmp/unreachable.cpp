#include "proto/icmp/unreachable.hpp"

#include "proto/icmp/quotation.hpp"
#include "proto/wire/icmp.hpp"

namespace tapioca {

namespace {

/// What every quotation holds of a TCP header (RFC 792).
struct quoted_tcp {
    be16 source_port, destination_port;
    be32 sequence;
};
static_assert(sizeof(quoted_tcp) == 8 && wire_header<quoted_tcp>);

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
    const auto tcp = TAPIOCA_TRY(upper.take<quoted_tcp>());
    const auto length = static_cast<std::uint32_t>(p.l4.size());
    const auto pseudo = v4 ? 0 : pseudo_header_sum(p.source, p.destination, wire::protocol_icmpv6, length);
    if (folded(pseudo + ones_sum(p.l4)) != 0xffff)
        return drop_reason::bad_checksum;
    const flow_key key{quoted.destination, quoted.source, tcp.destination_port, tcp.source_port, wire::protocol_tcp};
    return unreachable_segment{key, seq_number{tcp.sequence}};
}

} // namespace tapioca
