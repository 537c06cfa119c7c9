#include "tests/adversary/packet_guest.hpp"

#include "proto/frame/classify.hpp"
#include "proto/frame/fragment.hpp"
#include "proto/wire/arp.hpp"
#include "proto/wire/udp.hpp"

#include <algorithm>

namespace tapioca::adversary {

packet_guest::packet_guest(const std::string& socket, std::uint64_t seed, const ip_address& address4)
    : link(socket), ends_{{{0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55}}, {{0x52, 0x54, 0, 0x12, 0x34, 0x56}}}, address4_(address4),
      dice_(seed, 0x667261), memory_(reassembler::slot_size * reassembler::most_datagrams), reassembler_(memory_)
{
}

/// Tells where the guest is.
void packet_guest::introduce()
{
    struct {
        wire::ethernet_header ethernet;
        wire::arp_header arp;
    } frame{{mac_address::broadcast(), ends_.guest, static_cast<std::uint16_t>(wire::ethertype::arp)},
            wire::make_arp({wire::arp_request_operation, ends_.guest, address4_, {}, address4_})};
    link.send({reinterpret_cast<const octet*>(&frame), sizeof frame});
}

/// As a link of any MTU would: whole if it fits, else in fragments, which come in any order and now and then twice.
void packet_guest::send(const endpoint& source, const endpoint& destination, bytes_view payload)
{
    static constexpr std::size_t mtus[] = {1280, 1500, 9000, 65520};
    const auto header = wire::make_udp(source, destination, payload);
    const outgoing_datagram d{.our_mac = ends_.guest,
                              .guest_mac = ends_.ours,
                              .source = source.address,
                              .destination = destination.address,
                              .protocol = wire::protocol_udp,
                              .ttl = 64,
                              .identification = ++identification_,
                              .upper_header = octets_of(header),
                              .payload_length = payload.size()};
    fragmenter cut{d, mtus[dice_.below(std::size(mtus))]};
    std::vector<std::vector<octet>> frames;
    while (const auto f = cut.next()) {
        std::vector<octet> frame{f->headers.begin(), f->headers.end()};
        const auto part = payload.subspan(f->offset, f->length);
        frame.insert(frame.end(), part.begin(), part.end());
        frames.push_back(std::move(frame));
    }
    if (frames.size() > 1) {
        fragments_sent += frames.size();
        if (dice_.percent(50))
            std::swap(frames.front(), frames[dice_.below(frames.size())]);
        if (dice_.percent(20))
            frames.insert(frames.begin(), frames[dice_.below(frames.size())]);
    }
    for (const auto& f : frames)
        link.send(f);
}

bool packet_guest::receive(instant now, const std::function<void(const datagram&)>& each)
{
    (void)reassembler_.expire(now);
    for (int i = 0; i < 16; ++i) {
        const auto before = link.frames_received;
        if (!link.receive([&](bytes_view frame) { take(frame, now, each); }))
            return false;
        if (link.frames_received == before)
            break;
    }
    return true;
}

void packet_guest::take(bytes_view frame, instant now, const std::function<void(const datagram&)>& each)
{
    const auto p = classify(frame);
    if (!p)
        return;
    if (p->kind == packet_kind::arp) {
        const auto asked = wire::parse_arp(p->l3);
        if (asked && asked->operation == wire::arp_request_operation && asked->target == address4_)
            introduce();
    } else if (p->kind == packet_kind::udp) {
        take_udp(p->source, p->destination, p->l4, each);
    } else if (p->kind == packet_kind::icmp || (p->kind == packet_kind::icmpv6 && !p->l4.empty() && p->l4[0] < 128)) {
        ++icmp_errors;
    } else if (p->kind == packet_kind::fragment) {
        ++fragments_received;
        const auto whole = p->destination.is_v4() ? reassembler_.add(*wire::parse_ipv4(p->l3), now)
                                                  : reassembler_.add(*wire::parse_ipv6(p->l3), now);
        if (whole && whole->protocol == wire::protocol_udp)
            take_udp(whole->source, whole->destination, whole->payload, each);
    }
}

void packet_guest::take_udp(const ip_address& source, const ip_address& destination, bytes_view l4,
                            const std::function<void(const datagram&)>& each)
{
    const auto u = wire::parse_udp(l4);
    if (!u)
        return;
    const auto length = static_cast<std::uint32_t>(u->payload.size() + sizeof(wire::udp_header));
    const auto sum = pseudo_header_sum(source, destination, wire::protocol_udp, length) + ones_sum(l4.first(length));
    const bool has_none = destination.is_v4() && l4[6] == 0 && l4[7] == 0;
    if (checksum_of(sum) != 0 && !has_none)
        ++bad_checksums;
    each({{source, u->source_port}, {destination, u->destination_port}, {u->payload.begin(), u->payload.end()}});
}

} // namespace tapioca::adversary
