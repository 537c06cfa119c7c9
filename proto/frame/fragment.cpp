#include "proto/frame/fragment.hpp"

#include "proto/wire/ethernet.hpp"
#include "proto/wire/ipv4.hpp"
#include "proto/wire/ipv6.hpp"

#include <algorithm>

namespace tapioca {
namespace {

constexpr std::size_t largest_packet = 65535;
constexpr std::size_t unit = 8;

static_assert(fragmenter::longest_headers == sizeof(wire::ethernet_header) + sizeof(wire::ipv6_header) +
                                                 sizeof(wire::ipv6_fragment_header) + fragmenter::longest_upper_header);

} // namespace

fragmenter::fragmenter(const outgoing_datagram& d, std::size_t mtu) noexcept
    : datagram_(d), total_(d.upper_header.size() + d.payload_length)
{
    const bool v4 = d.destination.is_v4();
    const std::size_t ip_header = v4 ? sizeof(wire::ipv4_header) : sizeof(wire::ipv6_header);
    // RFC 791 counts the header in the total length, RFC 8200 does not
    const std::size_t largest = v4 ? largest_packet - ip_header : largest_packet;
    if (d.source.is_v4() != v4 || d.upper_header.size() > longest_upper_header || total_ > largest)
        return;
    if (ip_header + total_ <= mtu) {
        step_ = total_;
        count_ = 1;
        return;
    }
    const std::size_t headers = v4 ? ip_header : ip_header + sizeof(wire::ipv6_fragment_header);
    if (mtu < headers + std::max(unit, d.upper_header.size()))
        return;
    step_ = (mtu - headers) / unit * unit;
    if (step_ < d.upper_header.size()) // RFC 7112: the first fragment holds all headers
        return;
    count_ = (total_ + step_ - 1) / step_;
}

std::optional<outgoing_fragment> fragmenter::next() noexcept
{
    if (made_ == count_)
        return std::nullopt;
    const std::size_t begin = made_ * step_;
    const std::size_t end = std::min(begin + step_, total_);
    const std::size_t upper = datagram_.upper_header.size();

    writer out{headers_};
    const bool v4 = datagram_.destination.is_v4();
    const auto type = v4 ? wire::ethertype::ipv4 : wire::ethertype::ipv6;
    out.put(wire::ethernet_header{datagram_.guest_mac, datagram_.our_mac, static_cast<std::uint16_t>(type)});
    if (v4)
        put_ipv4(out, begin, end);
    else
        put_ipv6(out, begin, end);
    if (made_ == 0)
        out.put(datagram_.upper_header);
    const std::size_t offset = made_ == 0 ? 0 : begin - upper;
    ++made_;
    return outgoing_fragment{out.written(), offset, end - upper - offset};
}

void fragmenter::put_ipv4(writer& out, std::size_t begin, std::size_t end) const noexcept
{
    wire::ipv4_fields f;
    f.source = datagram_.source;
    f.destination = datagram_.destination;
    f.protocol = datagram_.protocol;
    f.ttl = datagram_.ttl;
    f.tos = datagram_.tos;
    // Also of one that is whole: a link behind the guest may be narrower still.
    f.identification = static_cast<std::uint16_t>(datagram_.identification);
    f.flags_fragment = static_cast<std::uint16_t>(begin / unit | (end < total_ ? wire::ipv4_more_fragments : 0U));
    out.put(wire::make_ipv4(f, end - begin));
}

void fragmenter::put_ipv6(writer& out, std::size_t begin, std::size_t end) const noexcept
{
    wire::ipv6_fields f;
    f.source = datagram_.source;
    f.destination = datagram_.destination;
    f.next_header = count_ > 1 ? wire::protocol_fragment : datagram_.protocol;
    f.hop_limit = datagram_.ttl;
    f.traffic_class = datagram_.tos;
    const std::size_t extension = count_ > 1 ? sizeof(wire::ipv6_fragment_header) : 0;
    out.put(wire::make_ipv6(f, extension + end - begin));
    if (count_ == 1)
        return;
    wire::ipv6_fragment_header h{};
    h.next_header = datagram_.protocol;
    h.offset_more = static_cast<std::uint16_t>(begin | (end < total_ ? 1U : 0U));
    h.identification = datagram_.identification;
    out.put(h);
}

} // namespace tapioca
