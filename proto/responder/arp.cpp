#include "proto/responder/arp.hpp"

#include "proto/wire/arp.hpp"
#include "proto/wire/ethernet.hpp"

#include <algorithm>

namespace tapioca {
namespace {

/// 0 if the frame does not fit.
std::size_t emit(const mac_address& destination, const wire::arp_message& message, const guest_network& net,
                 bytes_span out) noexcept
{
    writer frame{out};
    frame.put(wire::ethernet_header{destination, net.our_mac, static_cast<std::uint16_t>(wire::ethertype::arp)});
    frame.put(wire::make_arp(message));
    return frame.full() ? 0 : frame.size();
}

bool is_ours(const ip_address& a, const guest_network& net) noexcept
{
    return a == net.our_address4 || a == net.gateway4 ||
           std::find(net.stand_ins.begin(), net.stand_ins.end(), a) != net.stand_ins.end();
}

} // namespace

parsed<std::size_t> arp_respond(const mac_address& ethernet_source, bytes_view arp, const guest_network& net,
                                bytes_span out) noexcept
{
    if (!net.ipv4)
        return drop_reason::family_disabled;
    const auto m = TAPIOCA_TRY(wire::parse_arp(arp));
    if (m.operation == wire::arp_reply_operation)
        return drop_reason::address_news;
    if (m.operation != wire::arp_request_operation)
        return drop_reason::bad_type;
    const bool announcement = m.sender == m.target && !m.target.is_unspecified(); // RFC 5227 section 3
    const bool own = m.target == net.address4.address && !m.target.is_unspecified();
    // RFC 5227 section 2.1.1: who probes wants to take the address, and may have any that is not ours.
    const bool probe = m.sender.is_unspecified() && !m.target.is_unspecified();
    if (announcement || own || (probe && !is_ours(m.target, net)))
        return drop_reason::address_news;
    const wire::arp_message reply{wire::arp_reply_operation, net.our_mac, m.target, m.sender_mac, m.sender};
    const auto size = emit(ethernet_source, reply, net, out);
    if (size == 0)
        return drop_reason::bad_length;
    return size;
}

std::size_t arp_request(const guest_network& net, bytes_span out) noexcept
{
    if (!net.ipv4 || net.address4.address.is_unspecified() || net.our_address4.is_unspecified())
        return 0;
    const wire::arp_message request{wire::arp_request_operation, net.our_mac, net.our_address4, mac_address::broadcast(),
                                    net.address4.address};
    return emit(mac_address::broadcast(), request, net, out);
}

} // namespace tapioca
