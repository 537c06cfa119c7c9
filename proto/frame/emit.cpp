#include "proto/frame/emit.hpp"

#include "proto/base/checksum.hpp"
#include "proto/wire/ipv4.hpp"
#include "proto/wire/ipv6.hpp"
#include "proto/wire/tcp.hpp"
#include "proto/wire/udp.hpp"

#include <cstddef>

namespace tapioca {
namespace {

template <wire_header T>
octet* put_before(octet* at, const T& header) noexcept
{
    std::memcpy(at - sizeof header, &header, sizeof header);
    return at - sizeof header;
}

/// The options of a SYN end at `at`; nothing else carries options.
octet* put_options(octet* at, const tcp_emission& tcp) noexcept
{
    if (tcp.mss_option == 0)
        return at;
    const std::size_t size = tcp.scale_option ? 8 : 4;
    writer out{{at - size, size}};
    wire::put_syn_options(out, tcp.mss_option, tcp.scale_option);
    return at - size;
}

/// What a checksum field holds while the rest is left to the device: the pseudo-header's sum, not inverted.
be16 partial(const flow_key& key, octet protocol, std::size_t length) noexcept
{
    return folded(pseudo_header_sum(key.remote, key.guest, protocol, static_cast<std::uint32_t>(length)));
}

void leave_checksum(wire::virtio_net_header& vnet, std::size_t start, std::size_t offset) noexcept
{
    vnet.flags = wire::vnet_needs_csum;
    vnet.csum_start = static_cast<std::uint16_t>(start);
    vnet.csum_offset = static_cast<std::uint16_t>(offset);
}

} // namespace

std::size_t emit_ip(octet* upper, const link_ends& link, const ip_address& source, const ip_address& destination,
                    const ip_emission& ip, std::size_t length) noexcept
{
    octet* at = upper;
    wire::ethernet_header ethernet{link.guest, link.ours, 0};
    if (destination.is_v4()) {
        wire::ipv4_fields f;
        f.source = source;
        f.destination = destination;
        f.protocol = ip.protocol;
        f.ttl = ip.ttl;
        f.tos = ip.tos;
        if (ip.identification) {
            f.identification = *ip.identification;
            f.flags_fragment = 0;
        }
        at = put_before(at, wire::make_ipv4(f, length));
        ethernet.type = static_cast<std::uint16_t>(wire::ethertype::ipv4);
    } else {
        wire::ipv6_fields f;
        f.source = source;
        f.destination = destination;
        f.next_header = ip.protocol;
        f.hop_limit = ip.ttl;
        f.traffic_class = ip.tos;
        at = put_before(at, wire::make_ipv6(f, length));
        ethernet.type = static_cast<std::uint16_t>(wire::ethertype::ipv6);
    }
    at = put_before(at, ethernet);
    return static_cast<std::size_t>(upper - at);
}

std::size_t emit_tcp(octet* payload, const link_ends& link, const flow_key& key, const tcp_emission& tcp,
                     wire::virtio_net_header& vnet) noexcept
{
    octet* at = put_options(payload, tcp);
    const auto header_octets = sizeof(wire::tcp_header) + static_cast<std::size_t>(payload - at);
    const auto length = header_octets + tcp.payload;

    const wire::tcp_fields fields{key.remote_port, key.guest_port, tcp.seq, tcp.ack, tcp.flags, tcp.window};
    auto h = wire::make_tcp(fields, header_octets - sizeof(wire::tcp_header));
    h.checksum = partial(key, wire::protocol_tcp, length);
    at = put_before(at, h);

    const ip_emission network{.protocol = wire::protocol_tcp, .identification = tcp.identification};
    const auto ip = emit_ip(at, link, key.remote, key.guest, network, length);
    leave_checksum(vnet, ip, offsetof(wire::tcp_header, checksum));
    if (tcp.mss != 0 && tcp.payload > tcp.mss) {
        vnet.gso_type = key.guest.is_v4() ? wire::vnet_gso_tcpv4 : wire::vnet_gso_tcpv6;
        vnet.gso_size = tcp.mss;
        vnet.header_length = static_cast<std::uint16_t>(ip + header_octets);
    }
    return ip + header_octets;
}

std::size_t emit_udp(octet* payload, const link_ends& link, const flow_key& key, const udp_emission& udp,
                     wire::virtio_net_header& vnet) noexcept
{
    const auto length = sizeof(wire::udp_header) + udp.payload;
    wire::udp_header h{};
    h.source_port = key.remote_port;
    h.destination_port = key.guest_port;
    h.length = static_cast<std::uint16_t>(length);
    h.checksum = partial(key, wire::protocol_udp, length);
    octet* at = put_before(payload, h);

    const ip_emission network{wire::protocol_udp, udp.ttl, udp.tos, udp.identification};
    const auto ip = emit_ip(at, link, key.remote, key.guest, network, length);
    leave_checksum(vnet, ip, offsetof(wire::udp_header, checksum));
    if (udp.segment != 0 && udp.payload > udp.segment) {
        vnet.gso_type = wire::vnet_gso_udp_l4;
        vnet.gso_size = udp.segment;
        vnet.header_length = static_cast<std::uint16_t>(ip + sizeof h);
    }
    return ip + sizeof h;
}

void complete_checksum(bytes_span frame, const wire::virtio_net_header& vnet, std::uint64_t beyond) noexcept
{
    if ((vnet.flags & wire::vnet_needs_csum) == 0 || std::size_t{vnet.csum_start} + vnet.csum_offset + 2 > frame.size())
        return;
    const auto covered = frame.subspan(vnet.csum_start);
    const auto sum = checksum_of(ones_sum(covered) + beyond);
    const be16 field = sum == 0 ? std::uint16_t{0xffff} : sum; // RFC 768; the same number to TCP
    std::memcpy(covered.data() + vnet.csum_offset, &field, sizeof field);
}

} // namespace tapioca
