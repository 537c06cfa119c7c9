#include "proto/responder/ndp.hpp"

#include "proto/responder/enclose.hpp"
#include "proto/responder/lifetimes.hpp"
#include "proto/wire/domain_name.hpp"
#include "proto/wire/icmp.hpp"
#include "proto/wire/ndp.hpp"

#include <algorithm>

namespace tapioca {
namespace {

constexpr auto all_nodes = ip_address::v6({0xff02, 0, 0, 0, 0, 0, 0, 1});
constexpr octet prefix_length = 64;
constexpr std::size_t longest_message = smallest_ipv6_mtu - sizeof(wire::ipv6_header);

void put_prefix(writer& out, const prefix& which, std::uint32_t valid, std::uint32_t preferred) noexcept
{
    wire::nd_prefix_option o{};
    o.header = {wire::nd_prefix_information, sizeof o / 8};
    o.prefix_length = prefix_length;
    o.flags = wire::nd_on_link_flag | wire::nd_autonomous_flag;
    o.valid_lifetime = valid;
    o.preferred_lifetime = preferred;
    o.prefix = which.network().octets();
    out.put(o);
}

/// The guest's, and those that were; the latter are not preferred any more (RFC 4862 section 5.5.4).
void put_prefixes(writer& out, const guest_network& net) noexcept
{
    const auto& last = lifetimes_of(net);
    if (!net.address6.is_unspecified() && !net.address6.is_link_local()) // RFC 4861 section 4.6.2: never the link-local prefix
        put_prefix(out, {net.address6, prefix_length}, last.valid, last.preferred);
    for (const auto& old : net.withdrawn)
        if (!old.which.address.is_v4())
            put_prefix(out, old.which, old.seconds_left, 0);
}

template <class List>
void put_resolvers(writer& out, const List& resolvers, std::uint32_t lifetime) noexcept
{
    const auto of_ipv6 = [](const ip_address& a) { return !a.is_v4(); };
    const auto count = std::count_if(resolvers.begin(), resolvers.end(), of_ipv6);
    if (count == 0)
        return;
    const auto length = static_cast<octet>(1 + 2 * count);
    out.put(wire::nd_dns_option{{wire::nd_resolvers, length}, std::uint16_t{0}, lifetime});
    for (const auto& resolver : resolvers)
        if (of_ipv6(resolver))
            out.put(resolver.octets());
}

/// RFC 8106 section 5.2: names without compression, padded with zeros to a multiple of eight octets.
void put_search_domains(writer& out, const guest_network& net) noexcept
{
    std::array<octet, longest_message> buffer;
    const std::size_t room = out.room() / 8 * 8;
    writer names{bytes_span{buffer}.first(room < sizeof(wire::nd_dns_option) ? 0 : room - sizeof(wire::nd_dns_option))};
    for (const auto& domain : net.search)
        if (const auto name = wire::encode_name(domain.view()); name && name->size <= names.room())
            names.put(name->view());
    if (names.size() == 0)
        return;
    names.fill((8 - names.size() % 8) % 8);
    const auto length = static_cast<octet>(1 + names.size() / 8);
    out.put(wire::nd_dns_option{{wire::nd_search_domains, length}, std::uint16_t{0}, lifetimes_of(net).name_service});
    out.put(names.written());
}

parsed<std::size_t> advertise_neighbour(const mac_address& ethernet_source, const wire::ipv6_packet& ip, const guest_network& net,
                                        bytes_span out) noexcept
{
    const auto m = TAPIOCA_TRY(wire::parse_neighbour_solicitation(ip));
    if (ip.source.is_unspecified() || m.target == net.address6 || m.target == ip.source)
        return drop_reason::address_news;
    wire::nd_neighbour_header h{};
    h.type = wire::icmpv6_neighbour_advertisement;
    h.flags = wire::nd_router_flag | wire::nd_solicited_flag | wire::nd_override_flag;
    h.target = m.target.octets();
    writer message{room_behind(out, room_before_icmpv6, longest_message)};
    message.put(h);
    message.put(wire::nd_link_address_option{{wire::nd_target_link_address, 1}, net.our_mac});
    if (message.full())
        return drop_reason::bad_length;
    return enclose_icmpv6(out, {ethernet_source, net.our_mac}, net.our_link_local, ip.source, message.size());
}

parsed<std::size_t> advertise_router(const mac_address& ethernet_source, const wire::ipv6_packet& ip, const guest_network& net,
                                     bytes_span out) noexcept
{
    (void)TAPIOCA_TRY(wire::parse_router_solicitation(ip));
    if (!net.ra)
        return drop_reason::router_solicitation;
    const bool anonymous = ip.source.is_unspecified(); // RFC 4861 section 6.2.6: then only the group can be answered
    const auto size = router_advertisement(net, anonymous ? all_nodes : ip.source,
                                           anonymous ? wire::multicast_mac(all_nodes) : ethernet_source, out);
    if (size == 0)
        return drop_reason::bad_length;
    return size;
}

} // namespace

parsed<std::size_t> ndp_respond(const mac_address& ethernet_source, const wire::ipv6_packet& ip, const guest_network& net,
                                bytes_span out) noexcept
{
    if (!net.ipv6)
        return drop_reason::family_disabled;
    if (!net.ndp)
        return drop_reason::protocol_disabled;
    if (ip.source.is_loopback())
        return drop_reason::loopback_address;
    if (ip.source.is_multicast())
        return drop_reason::not_unicast;
    reader in{ip.payload};
    switch (TAPIOCA_TRY(in.take<octet>())) {
    case wire::icmpv6_router_solicitation:
        return advertise_router(ethernet_source, ip, net, out);
    case wire::icmpv6_neighbour_solicitation:
        return advertise_neighbour(ethernet_source, ip, net, out);
    case wire::icmpv6_neighbour_advertisement:
        return drop_reason::address_news;
    case wire::icmpv6_router_advertisement: // there is one router on this link, and the guest is none
    case wire::icmpv6_redirect:
        return drop_reason::not_for_us;
    default:
        return drop_reason::bad_type;
    }
}

std::size_t router_advertisement(const guest_network& net, const ip_address& destination, const mac_address& ethernet_destination,
                                 bytes_span out) noexcept
{
    wire::nd_router_advertisement_header h{};
    h.type = wire::icmpv6_router_advertisement;
    h.hop_limit = 255;
    h.flags = net.dhcpv6 ? wire::nd_managed_flag : octet{0}; // addresses by DHCPv6 are promised only where it answers
    h.router_lifetime = net.ra_without_route ? std::uint16_t{0} : lifetimes_of(net).router;
    writer message{room_behind(out, room_before_icmpv6, longest_message)};
    message.put(h);
    put_prefixes(message, net);
    message.put(wire::nd_link_address_option{{wire::nd_source_link_address, 1}, net.our_mac});
    if (net.mtu != 0)
        message.put(wire::nd_mtu_option{{wire::nd_mtu, 1}, std::uint16_t{0}, std::uint32_t{net.mtu}});
    put_resolvers(message, net.resolvers6, lifetimes_of(net).name_service);
    put_resolvers(message, net.withdrawn_resolvers, 0); // RFC 8106 section 5.1: to be used no more
    if (!net.resolvers6.empty())
        put_search_domains(message, net);
    if (message.full())
        return 0;
    return enclose_icmpv6(out, {ethernet_destination, net.our_mac}, net.our_link_local, destination, message.size());
}

std::size_t neighbour_solicitation(const guest_network& net, bytes_span out) noexcept
{
    if (!net.ipv6 || !net.ndp || net.address6.is_unspecified())
        return 0;
    wire::nd_neighbour_header h{};
    h.type = wire::icmpv6_neighbour_solicitation;
    h.target = net.address6.octets();
    writer message{room_behind(out, room_before_icmpv6, longest_message)};
    message.put(h);
    if (message.full())
        return 0;
    return enclose_icmpv6(out, {mac_address::broadcast(), net.our_mac}, net.our_link_local, net.address6, message.size());
}

} // namespace tapioca
