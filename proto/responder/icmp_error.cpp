#include "proto/responder/icmp_error.hpp"

#include "proto/wire/ethernet.hpp"
#include "proto/wire/icmp.hpp"
#include "proto/wire/ipv4.hpp"
#include "proto/wire/ipv6.hpp"
#include "proto/wire/tcp.hpp"
#include "proto/wire/udp.hpp"

#include <algorithm>

namespace tapioca {
namespace {

constexpr std::size_t most_quoted4 = 8;
constexpr std::size_t minimum_mtu6 = 1280;
constexpr std::size_t largest_packet = 65535;
constexpr std::size_t quoted_transport = 8; ///< a UDP or echo header, or the first octets of a TCP header

std::uint16_t high(std::uint32_t v) noexcept { return static_cast<std::uint16_t>(v >> 16); }
std::uint16_t low(std::uint32_t v) noexcept { return static_cast<std::uint16_t>(v); }

/// The error's own header, its checksum still zero.
parsed<wire::icmp_header> error_header(ip_family family, const icmp_cause& c) noexcept
{
    wire::icmp_header h{};
    h.type = c.type;
    h.code = c.code;
    if (family == ip_family::ipv4) {
        if (c.type == wire::icmpv4_unreachable && c.code == wire::icmpv4_code_fragmentation_needed)
            h.sequence = static_cast<std::uint16_t>(std::min<std::uint32_t>(c.info, 0xffff)); // RFC 1191 section 4
        else if (c.type == wire::icmpv4_parameter_problem)
            h.identifier = static_cast<std::uint16_t>(std::min<std::uint32_t>(c.info, 0xff) << 8);
        else if (c.type != wire::icmpv4_unreachable && c.type != wire::icmpv4_time_exceeded)
            return drop_reason::bad_type;
        return h;
    }
    if (c.type == wire::icmpv6_packet_too_big || c.type == wire::icmpv6_parameter_problem) {
        h.identifier = high(c.info);
        h.sequence = low(c.info);
    } else if (c.type != wire::icmpv6_unreachable && c.type != wire::icmpv6_time_exceeded) {
        return drop_reason::bad_type;
    }
    return h;
}

std::size_t transport_length(octet protocol) noexcept
{
    return protocol == wire::protocol_tcp ? sizeof(wire::tcp_header) : quoted_transport;
}

/// Checksums of the quoted packet are those that it had, if all of it is known; zero otherwise, as with most of the octets gone
/// nobody can verify them.
void put_transport(writer& out, const icmp_error_request& r, std::size_t payload_length) noexcept
{
    const bool known = payload_length == r.payload.size();
    if (r.protocol == wire::protocol_tcp) {
        out.put(be16{r.guest.port});
        out.put(be16{r.remote.port});
        out.put(be32{r.sequence});
    } else if (r.protocol == wire::protocol_udp) {
        auto h = wire::make_udp(r.guest, r.remote, r.payload);
        h.length = static_cast<std::uint16_t>(sizeof h + payload_length);
        if (!known)
            h.checksum = 0;
        out.put(h);
    } else {
        const bool v4 = r.remote.address.is_v4();
        wire::icmp_header h{};
        h.type = v4 ? wire::icmpv4_echo_request : wire::icmpv6_echo_request;
        h.identifier = r.guest.port;
        h.sequence = low(r.sequence);
        const auto length = static_cast<std::uint32_t>(sizeof h + payload_length);
        const auto pseudo = v4 ? 0 : pseudo_header_sum(r.guest.address, r.remote.address, wire::protocol_icmpv6, length);
        if (known)
            h.checksum = checksum_of(pseudo + ones_sum(octets_of(h)) + ones_sum(r.payload));
        out.put(h);
    }
}

/// The guest's packet, as much of it as an error quotes.
void put_quoted(writer& out, const icmp_error_request& r) noexcept
{
    const bool v4 = r.remote.address.is_v4();
    const std::size_t transport = transport_length(r.protocol);
    const std::size_t headers = transport + (v4 ? sizeof(wire::ipv4_header) : 0);
    const std::size_t payload_length = std::min(std::max(r.payload_length, r.payload.size()), largest_packet - headers);
    std::size_t most = most_quoted4;
    if (v4) {
        wire::ipv4_fields f;
        f.source = r.guest.address;
        f.destination = r.remote.address;
        f.protocol = r.protocol;
        f.ttl = r.ttl;
        f.tos = r.tos;
        out.put(wire::make_ipv4(f, transport + payload_length));
    } else {
        wire::ipv6_fields f;
        f.source = r.guest.address;
        f.destination = r.remote.address;
        f.next_header = r.protocol;
        f.hop_limit = r.ttl;
        f.traffic_class = r.tos;
        out.put(wire::make_ipv6(f, transport + payload_length));
        most = minimum_mtu6 - 2 * sizeof(wire::ipv6_header) - sizeof(wire::icmp_header) - quoted_transport;
    }
    put_transport(out, r, payload_length);
    if (r.protocol != wire::protocol_tcp)
        out.put(r.payload.first(std::min({r.payload.size(), payload_length, most})));
}

/// Link and network header for `length` octets of ICMP.
void put_envelope(bytes_span room, const icmp_error_request& r, std::size_t length) noexcept
{
    writer out{room};
    const bool v4 = r.remote.address.is_v4();
    out.put(wire::ethernet_header{r.guest_mac, r.our_mac,
                                  static_cast<std::uint16_t>(v4 ? wire::ethertype::ipv4 : wire::ethertype::ipv6)});
    if (v4) {
        wire::ipv4_fields f;
        f.source = r.offender;
        f.destination = r.guest.address;
        f.protocol = wire::protocol_icmp;
        out.put(wire::make_ipv4(f, length));
    } else {
        wire::ipv6_fields f;
        f.source = r.offender;
        f.destination = r.guest.address;
        f.next_header = wire::protocol_icmpv6;
        out.put(wire::make_ipv6(f, length));
    }
}

bool describes_a_packet(const icmp_error_request& r) noexcept
{
    const bool v4 = r.remote.address.is_v4();
    const bool known = r.protocol == wire::protocol_udp || r.protocol == wire::protocol_tcp ||
                       r.protocol == (v4 ? wire::protocol_icmp : wire::protocol_icmpv6);
    return known && r.guest.address.is_v4() == v4 && r.offender.is_v4() == v4;
}

} // namespace

icmp_cause too_big(ip_family family, std::uint32_t mtu) noexcept
{
    return family == ip_family::ipv4 ? icmp_cause{wire::icmpv4_unreachable, wire::icmpv4_code_fragmentation_needed, mtu}
                                     : icmp_cause{wire::icmpv6_packet_too_big, 0, mtu};
}

icmp_cause administratively_prohibited(ip_family family) noexcept
{
    return family == ip_family::ipv4 ? icmp_cause{wire::icmpv4_unreachable, wire::icmpv4_code_prohibited, 0}
                                     : icmp_cause{wire::icmpv6_unreachable, wire::icmpv6_code_prohibited, 0};
}

icmp_cause host_unreachable(ip_family family) noexcept
{
    return family == ip_family::ipv4 ? icmp_cause{wire::icmpv4_unreachable, wire::icmpv4_code_host, 0}
                                     : icmp_cause{wire::icmpv6_unreachable, wire::icmpv6_code_address, 0};
}

std::size_t icmp_error(const icmp_error_request& r, bytes_span out) noexcept
{
    if (!describes_a_packet(r))
        return 0;
    const auto family = r.remote.address.family();
    auto error = error_header(family, r.cause);
    if (!error)
        return 0;
    const bool v4 = family == ip_family::ipv4;

    writer frame{out};
    const auto envelope =
        frame.skip(sizeof(wire::ethernet_header) + (v4 ? sizeof(wire::ipv4_header) : sizeof(wire::ipv6_header)));
    const auto header = frame.skip(sizeof(wire::icmp_header));
    put_quoted(frame, r);
    if (frame.full())
        return 0;

    const auto quoted = frame.written().subspan(envelope.size() + header.size());
    const std::size_t length = header.size() + quoted.size();
    const auto pseudo =
        v4 ? 0 : pseudo_header_sum(r.offender, r.guest.address, wire::protocol_icmpv6, static_cast<std::uint32_t>(length));
    error->checksum = checksum_of(pseudo + ones_sum(octets_of(*error)) + ones_sum(quoted));
    writer{header}.put(*error);
    put_envelope(envelope, r, length);
    return frame.size();
}

} // namespace tapioca
