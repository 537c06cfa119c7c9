#include "proto/icmp/quotation.hpp"

#include "proto/base/checksum.hpp"
#include "proto/wire/protocol.hpp"

namespace tapioca {
namespace {

parsed<quotation> quoted_ipv4(bytes_view octets) noexcept
{
    reader in{octets};
    const auto h = TAPIOCA_TRY(in.take<wire::ipv4_header>());
    const std::size_t length = (h.version_ihl & 0x0fU) * 4U;
    if (h.version_ihl >> 4 != 4)
        return drop_reason::bad_version;
    if (length < sizeof h)
        return drop_reason::bad_header_length;
    if ((h.flags_fragment & wire::ipv4_fragment_offset) != 0)
        return drop_reason::bad_type;
    (void)TAPIOCA_TRY(in.take(length - sizeof h));
    return quotation{ip_address{h.source}, ip_address{h.destination}, h.protocol, in.rest()};
}

parsed<quotation> quoted_ipv6(bytes_view octets) noexcept
{
    reader in{octets};
    const auto h = TAPIOCA_TRY(in.take<wire::ipv6_header>());
    if (h.version_class_flow >> 28 != 6)
        return drop_reason::bad_version;
    octet protocol = h.next_header;
    if (protocol == wire::protocol_fragment) {
        const auto fragment = TAPIOCA_TRY(in.take<wire::ipv6_fragment_header>());
        if (fragment.offset_more >> 3 != 0)
            return drop_reason::bad_type;
        protocol = fragment.next_header;
    }
    return quotation{ip_address{h.source}, ip_address{h.destination}, protocol, in.rest()};
}

} // namespace

parsed<quotation> parse_quotation(ip_family family, bytes_view octets) noexcept
{
    return family == ip_family::ipv4 ? quoted_ipv4(octets) : quoted_ipv6(octets);
}

bool is_intact(const packet& message) noexcept
{
    const auto length = static_cast<std::uint32_t>(message.l4.size());
    const auto pseudo = message.kind == packet_kind::icmp
                            ? 0
                            : pseudo_header_sum(message.source, message.destination, wire::protocol_icmpv6, length);
    return folded(pseudo + ones_sum(message.l4)) == 0xffff;
}

} // namespace tapioca
