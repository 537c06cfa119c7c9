#include "proto/wire/udp.hpp"

namespace tapioca::wire {

parsed<udp_datagram> parse_udp(bytes_view l4) noexcept
{
    reader in{l4};
    const auto h = TAPIOCA_TRY(in.take<udp_header>());
    if (h.length < sizeof h) // RFC 768: the minimum value is eight
        return drop_reason::bad_length;
    udp_datagram d;
    d.source_port = h.source_port;
    d.destination_port = h.destination_port;
    d.payload = TAPIOCA_TRY(in.take(h.length - sizeof h));
    return d;
}

udp_header make_udp(const endpoint& source, const endpoint& destination, bytes_view payload) noexcept
{
    udp_header h{};
    h.source_port = source.port;
    h.destination_port = destination.port;
    h.length = static_cast<std::uint16_t>(sizeof h + payload.size());
    const auto pseudo = pseudo_header_sum(source.address, destination.address, protocol_udp, h.length);
    const auto sum = checksum_of(pseudo + ones_sum(octets_of(h)) + ones_sum(payload));
    h.checksum = sum == 0 ? std::uint16_t{0xffff} : sum;
    return h;
}

} // namespace tapioca::wire
