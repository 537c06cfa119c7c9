#include "proto/responder/dhcpv6.hpp"

#include "proto/responder/enclose.hpp"
#include "proto/responder/lifetimes.hpp"
#include "proto/wire/dhcpv6.hpp"
#include "proto/wire/domain_name.hpp"

#include <algorithm>
#include <string_view>

namespace tapioca {
namespace {

using wire::dhcpv6_ia;
using wire::dhcpv6_message;
using wire::dhcpv6_status;
using wire::dhcpv6_type;

constexpr octet fqdn_client_wants_server_update = 0x01; // RFC 4704 section 4.1: the S bit
constexpr octet fqdn_server_overrides = 0x02;           // the O bit
constexpr std::string_view not_on_link_text = "Prefix not appropriate for link.";
constexpr std::size_t longest_message = smallest_ipv6_mtu - sizeof(wire::ipv6_header) - sizeof(wire::udp_header);

/// What an answer holds besides the identifiers.
enum class content { addresses, not_on_link, confirmed, success, information };

struct answer {
    dhcpv6_type type;
    content holds;
};

wire::dhcpv6_duid_llt our_duid(const guest_network& net) noexcept
{
    constexpr std::uint16_t link_layer_plus_time = 1;
    constexpr std::uint16_t ethernet = 1;
    return {link_layer_plus_time, ethernet, net.duid_time, net.our_mac};
}

bool names_us(bytes_view server_id, const guest_network& net) noexcept
{
    const auto ours = our_duid(net);
    return std::ranges::equal(server_id, octets_of(ours));
}

bool has_foreign_address(const dhcpv6_ia& ia, const guest_network& net) noexcept
{
    return std::any_of(ia.addresses.begin(), ia.addresses.end(), [&](const auto& a) { return a != net.address6; });
}
bool has_foreign_address(const dhcpv6_message& m, const guest_network& net) noexcept
{
    return std::any_of(m.ias.begin(), m.ias.end(), [&](const auto& ia) { return has_foreign_address(ia, net); });
}
bool has_address(const dhcpv6_message& m) noexcept
{
    return std::any_of(m.ias.begin(), m.ias.end(), [](const auto& ia) { return !ia.addresses.empty(); });
}

enum class server_id { forbidden, required, optional };

/// RFC 8415 section 16: messages that lack an identifier, or have one that they must not have, are discarded.
parsed<bool> check_identifiers(const dhcpv6_message& m, server_id rule, const guest_network& net) noexcept
{
    if (m.client_id.empty() && m.type != dhcpv6_type::information_request) // section 16.12 demands none there
        return drop_reason::bad_option;
    if (m.server_id && rule == server_id::forbidden)
        return drop_reason::bad_option;
    if (!m.server_id && rule == server_id::required)
        return drop_reason::bad_option;
    if (m.server_id && !names_us(*m.server_id, net))
        return drop_reason::not_for_us;
    return true;
}

/// What is sent for a message, or why nothing is.
parsed<answer> answer_to(const dhcpv6_message& m, const guest_network& net) noexcept
{
    switch (m.type) {
    case dhcpv6_type::solicit:
        (void)TAPIOCA_TRY(check_identifiers(m, server_id::forbidden, net));
        return answer{m.rapid_commit ? dhcpv6_type::reply : dhcpv6_type::advertise, content::addresses};
    case dhcpv6_type::request:
        (void)TAPIOCA_TRY(check_identifiers(m, server_id::required, net));
        return answer{dhcpv6_type::reply, has_foreign_address(m, net) ? content::not_on_link : content::addresses};
    case dhcpv6_type::renew:
        (void)TAPIOCA_TRY(check_identifiers(m, server_id::required, net));
        return answer{dhcpv6_type::reply, content::addresses};
    case dhcpv6_type::rebind:
        (void)TAPIOCA_TRY(check_identifiers(m, server_id::forbidden, net));
        return answer{dhcpv6_type::reply, content::addresses};
    case dhcpv6_type::confirm:
        (void)TAPIOCA_TRY(check_identifiers(m, server_id::forbidden, net));
        if (!has_address(m)) // section 18.3.3: then no reply
            return drop_reason::not_for_us;
        return answer{dhcpv6_type::reply, content::confirmed};
    case dhcpv6_type::release:
    case dhcpv6_type::decline:
        (void)TAPIOCA_TRY(check_identifiers(m, server_id::required, net));
        return answer{dhcpv6_type::reply, content::success};
    case dhcpv6_type::information_request:
        (void)TAPIOCA_TRY(check_identifiers(m, server_id::optional, net));
        if (!m.ias.empty()) // section 16.12
            return drop_reason::bad_option;
        return answer{dhcpv6_type::reply, content::information};
    case dhcpv6_type::advertise:
    case dhcpv6_type::reply:
    case dhcpv6_type::reconfigure:
        break;
    }
    return drop_reason::bad_type;
}

void put_option(writer& out, std::uint16_t code, bytes_view value) noexcept
{
    out.put(wire::dhcpv6_option_header{code, static_cast<std::uint16_t>(value.size())});
    out.put(value);
}

void put_status(writer& out, dhcpv6_status status, std::string_view text) noexcept
{
    out.put(wire::dhcpv6_option_header{wire::dhcpv6_status_code, static_cast<std::uint16_t>(sizeof(be16) + text.size())});
    out.put(be16{static_cast<std::uint16_t>(status)});
    out.put(bytes_view{reinterpret_cast<const octet*>(text.data()), text.size()});
}

void put_address(writer& out, const ip_address& address, std::uint32_t lifetime) noexcept
{
    out.put(wire::dhcpv6_option_header{wire::dhcpv6_ia_address, sizeof(wire::dhcpv6_ia_address_value)});
    out.put(wire::dhcpv6_ia_address_value{address.octets(), lifetime, lifetime});
}

/// Everything behind the option header of an identity association: its own header, then `options`. `lifetime`: of its addresses,
/// which is extended after a half, and by whomever after four fifths (RFC 8415 section 21.4).
template <class Options>
void put_ia(writer& out, const dhcpv6_ia& ia, std::uint32_t lifetime, Options options) noexcept
{
    const bool ends = lifetime != forever;
    const auto place = out.skip(sizeof(wire::dhcpv6_option_header));
    const auto start = out.size();
    if (ia.code == wire::dhcpv6_ia_ta)
        out.put(be32{ia.identifier});
    else
        out.put(wire::dhcpv6_ia_header{ia.identifier, ends ? lifetime / 2 : forever, ends ? lifetime / 5 * 4 : forever});
    options();
    writer{place}.put(wire::dhcpv6_option_header{ia.code, static_cast<std::uint16_t>(out.size() - start)});
}

void put_ia_status(writer& out, const dhcpv6_ia& ia, dhcpv6_status status, std::string_view text) noexcept
{
    put_ia(out, ia, 0, [&] { put_status(out, status, text); });
}

/// The association that is given the address; none if there is no address, or no IA_NA was sent.
const dhcpv6_ia* holder_of_address(const dhcpv6_message& m, const guest_network& net) noexcept
{
    if (net.address6.is_unspecified())
        return nullptr;
    const dhcpv6_ia* first = nullptr;
    for (const auto& ia : m.ias) {
        if (ia.code != wire::dhcpv6_ia_na)
            continue;
        if (std::find(ia.addresses.begin(), ia.addresses.end(), net.address6) != ia.addresses.end())
            return &ia;
        if (first == nullptr)
            first = &ia;
    }
    return first;
}

void put_leases(writer& out, const dhcpv6_message& m, const guest_network& net) noexcept
{
    const auto* holder = holder_of_address(m, net);
    const bool extends = m.type == dhcpv6_type::renew || m.type == dhcpv6_type::rebind;
    for (const auto& ia : m.ias) {
        if (ia.code == wire::dhcpv6_ia_pd) {
            put_ia_status(out, ia, dhcpv6_status::no_prefix_available, {});
        } else if (&ia != holder) {
            put_ia_status(out, ia, dhcpv6_status::no_addresses_available, {});
        } else {
            put_ia(out, ia, lifetimes_of(net).lease, [&] {
                put_address(out, net.address6, lifetimes_of(net).lease);
                for (const auto& address : ia.addresses)
                    if (extends && address != net.address6)
                        put_address(out, address, 0);
            });
        }
    }
}

/// RFC 8415 section 18.3.2: the associations come back with a status alone. Nothing is leased; the client asks anew, without
/// addresses.
void put_not_on_link(writer& out, const dhcpv6_message& m) noexcept
{
    for (const auto& ia : m.ias) {
        if (ia.code == wire::dhcpv6_ia_pd)
            put_ia_status(out, ia, dhcpv6_status::no_prefix_available, {});
        else
            put_ia_status(out, ia, dhcpv6_status::not_on_link, not_on_link_text);
    }
}

void put_search_list(writer& out, const guest_network& net) noexcept
{
    std::array<octet, longest_message> buffer;
    writer names{
        bytes_span{buffer}.first(std::max(out.room(), sizeof(wire::dhcpv6_option_header)) - sizeof(wire::dhcpv6_option_header))};
    for (const auto& domain : net.search)
        if (const auto name = wire::encode_name(domain.view()); name && name->size <= names.room())
            names.put(name->view());
    if (names.size() != 0)
        put_option(out, wire::dhcpv6_search_list, names.written());
}

/// Resolvers, search list and the client's name; domains and a name that do not fit are left out.
void put_information(writer& out, const dhcpv6_message& m, const guest_network& net) noexcept
{
    if (!net.resolvers6.empty()) {
        out.put(wire::dhcpv6_option_header{wire::dhcpv6_resolvers, static_cast<std::uint16_t>(16 * net.resolvers6.size())});
        for (const auto& resolver : net.resolvers6)
            out.put(resolver.octets());
    }
    put_search_list(out, net);
    const auto name = wire::encode_name(net.fqdn.view());
    if (!name || sizeof(wire::dhcpv6_option_header) + 1 + name->size > out.room())
        return;
    const bool overridden = m.fqdn_flags && (*m.fqdn_flags & fqdn_client_wants_server_update) != 0;
    out.put(wire::dhcpv6_option_header{wire::dhcpv6_client_fqdn, static_cast<std::uint16_t>(1 + name->size)});
    out.put(overridden ? fqdn_server_overrides : octet{0});
    out.put(name->view());
}

void put_message(writer& out, const dhcpv6_message& m, const answer& a, const guest_network& net) noexcept
{
    out.put(wire::dhcpv6_header{static_cast<octet>(a.type), m.transaction});
    const auto duid = our_duid(net);
    put_option(out, wire::dhcpv6_server_id, octets_of(duid));
    if (a.holds == content::addresses)
        put_leases(out, m, net);
    if (a.holds == content::not_on_link)
        put_not_on_link(out, m);
    if (a.holds == content::confirmed && has_foreign_address(m, net))
        put_status(out, dhcpv6_status::not_on_link, not_on_link_text);
    else if (a.holds == content::confirmed || a.holds == content::success)
        put_status(out, dhcpv6_status::success, {});
    if (!m.client_id.empty())
        put_option(out, wire::dhcpv6_client_id, m.client_id);
    if (m.type == dhcpv6_type::solicit && m.rapid_commit)
        put_option(out, wire::dhcpv6_rapid_commit, {});
    if (a.holds == content::addresses || a.holds == content::information)
        put_information(out, m, net);
}

} // namespace

parsed<std::size_t> dhcpv6_respond(const mac_address& ethernet_source, const wire::ipv6_packet& ip, const wire::udp_datagram& udp,
                                   const guest_network& net, bytes_span out) noexcept
{
    if (!net.ipv6)
        return drop_reason::family_disabled;
    if (!net.dhcpv6)
        return drop_reason::protocol_disabled;
    if (!ip.destination.is_multicast()) // RFC 8415 section 16: we never invite clients to write to our own address
        return drop_reason::not_for_us;
    if (ip.source.is_unspecified())
        return drop_reason::unspecified_address;
    if (!ip.source.is_unicast())
        return drop_reason::not_unicast;
    const auto m = TAPIOCA_TRY(wire::parse_dhcpv6(udp.payload));
    const auto a = TAPIOCA_TRY(answer_to(m, net));
    writer message{room_behind(out, room_before_udp6, longest_message)};
    put_message(message, m, a, net);
    if (message.full())
        return drop_reason::bad_length;
    const auto flow_label = std::uint32_t{m.transaction[0]} << 16 | std::uint32_t{m.transaction[1]} << 8 | m.transaction[2];
    return enclose_udp(out, {ethernet_source, net.our_mac}, {net.our_link_local, wire::dhcpv6_server_port},
                       {ip.source, wire::dhcpv6_client_port}, flow_label, message.size());
}

} // namespace tapioca
