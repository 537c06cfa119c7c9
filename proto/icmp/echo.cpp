#include "proto/icmp/echo.hpp"

#include "proto/wire/icmp.hpp"

namespace tapioca {

parsed<echo_message> parse_echo_request(ip_family family, bytes_view icmp) noexcept
{
    reader in{icmp};
    const auto h = TAPIOCA_TRY(in.take<wire::icmp_header>());
    if (h.type != (family == ip_family::ipv4 ? wire::icmpv4_echo_request : wire::icmpv6_echo_request) || h.code != 0)
        return drop_reason::bad_type;
    return echo_message{h.identifier, h.sequence};
}

void turn_into_reply(ip_family family, bytes_span request) noexcept
{
    request[0] = family == ip_family::ipv4 ? wire::icmpv4_echo_reply : wire::icmpv6_echo_reply;
}

bool readdress_echo_reply(bytes_span icmp, const ip_address& source, const ip_address& destination,
                          std::uint16_t identifier) noexcept
{
    const bool v4 = destination.is_v4();
    reader in{icmp};
    auto h = in.take<wire::icmp_header>();
    if (!h || h->type != (v4 ? wire::icmpv4_echo_reply : wire::icmpv6_echo_reply))
        return false;
    h->identifier = identifier;
    h->checksum = 0;
    const auto length = static_cast<std::uint32_t>(icmp.size());
    const auto pseudo = v4 ? 0 : pseudo_header_sum(source, destination, wire::protocol_icmpv6, length);
    h->checksum = checksum_of(pseudo + ones_sum(octets_of(*h)) + ones_sum(in.rest()));
    writer{icmp}.put(*h);
    return true;
}

} // namespace tapioca
