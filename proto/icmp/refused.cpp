#include "proto/icmp/refused.hpp"

#include "proto/icmp/quotation.hpp"
#include "proto/wire/icmp.hpp"
#include "proto/wire/udp.hpp"

namespace tapioca {

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
    const auto quoted = parse_quotation(p.source.family(), in.rest());
    if (!quoted || quoted->protocol != wire::protocol_udp || quoted->destination != p.source)
        return std::nullopt;
    reader upper{quoted->upper};
    const auto udp = upper.take<wire::udp_header>();
    if (!udp)
        return std::nullopt;
    return flow_key{quoted->destination, quoted->source, udp->destination_port, udp->source_port, wire::protocol_udp};
}

} // namespace tapioca
