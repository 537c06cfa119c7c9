#include "proto/responder/dhcp.hpp"

#include "proto/responder/enclose.hpp"
#include "proto/responder/lifetimes.hpp"
#include "proto/wire/dhcp.hpp"
#include "proto/wire/domain_name.hpp"

#include <algorithm>

namespace tapioca {
namespace {

using wire::dhcp_request;
using wire::dhcp_type;

constexpr octet fqdn_canonical = 0x04;       // RFC 4702 section 2.1: the E bit, the name is in labels
constexpr octet fqdn_result_unused = 0xff;   // RFC 4702 section 2.2
constexpr std::size_t shortest_options = 60; // the vendor area of BOOTP (RFC 951 section 3), less the cookie
constexpr std::size_t longest_options = 307; // with the end option, the 576 octets that every host accepts (RFC 2131 section 2)

/// All options that an answer may carry, in the order in which a client without wishes gets them.
constexpr std::array<octet, 13> known_options = {wire::dhcp_subnet_mask,
                                                 wire::dhcp_router,
                                                 wire::dhcp_resolvers,
                                                 wire::dhcp_host_name,
                                                 wire::dhcp_mtu,
                                                 wire::dhcp_lease_time,
                                                 wire::dhcp_message_type,
                                                 wire::dhcp_server_identifier,
                                                 wire::dhcp_client_identifier,
                                                 wire::dhcp_rapid_commit,
                                                 wire::dhcp_client_fqdn,
                                                 wire::dhcp_search_list,
                                                 wire::dhcp_classless_routes};

struct answer {
    const dhcp_request& request;
    const guest_network& net;
    dhcp_type type;
};

/// RFC 2131 section 4.3: what is sent for a request, or why nothing is.
parsed<dhcp_type> answer_to(const dhcp_request& r, const guest_network& net) noexcept
{
    const auto& leased = net.address4.address;
    switch (r.type) {
    case dhcp_type::bootp:
        return dhcp_type::ack;
    case dhcp_type::discover:
        return r.rapid_commit ? dhcp_type::ack : dhcp_type::offer;
    case dhcp_type::request: { // section 4.3.2
        if (r.server && *r.server != net.our_address4)
            return drop_reason::not_for_us;
        const auto wanted = r.requested.value_or(ip_address{r.header.client});
        return wanted == leased || wanted.is_unspecified() ? dhcp_type::ack : dhcp_type::nak;
    }
    case dhcp_type::inform:
        return dhcp_type::ack;
    case dhcp_type::release:
        return drop_reason::address_news;
    case dhcp_type::decline:
        return drop_reason::not_for_us;
    case dhcp_type::offer:
    case dhcp_type::ack:
    case dhcp_type::nak:
        break;
    }
    return drop_reason::bad_type;
}

void put_text(writer& out, const domain_name& name) noexcept
{
    out.put(bytes_view{reinterpret_cast<const octet*>(name.view().data()), name.view().size()});
}

void put_fqdn(writer& out, const domain_name& fqdn) noexcept
{
    if (const auto name = wire::encode_name(fqdn.view())) {
        out.put(std::array<octet, 3>{fqdn_canonical, fqdn_result_unused, fqdn_result_unused});
        out.put(name->view());
    }
}

void put_search_list(writer& out, const guest_network& net) noexcept
{
    wire::compressed_names names;
    for (const auto& domain : net.search)
        if (const auto name = wire::encode_name(domain.view()))
            names.add(*name);
    out.put(names.view());
}

/// RFC 3442: a gateway outside the guest's network is reached by a route of its own. The other routes need no option.
void put_classless_routes(writer& out, const guest_network& net) noexcept
{
    if (net.gateway4.is_unspecified() || net.address4.contains(net.gateway4))
        return;
    out.put(octet{32});
    out.put(net.gateway4.v4_octets());
    out.put(ipv4_octets{});
    out.put(octet{0});
    out.put(net.gateway4.v4_octets());
}

/// RFC 2131 table 3: which options an answer must not carry.
bool allowed(octet code, const answer& a) noexcept
{
    if (a.type == dhcp_type::nak)
        return code == wire::dhcp_message_type || code == wire::dhcp_server_identifier || code == wire::dhcp_client_identifier;
    if (code == wire::dhcp_lease_time)
        return a.request.type != dhcp_type::inform;
    if (code == wire::dhcp_rapid_commit)
        return a.request.type == dhcp_type::discover && a.type == dhcp_type::ack;
    return true;
}

/// The value of an option; nothing where the configuration has none.
void put_value(writer& out, octet code, const answer& a) noexcept
{
    const auto& net = a.net;
    switch (code) {
    case wire::dhcp_subnet_mask:
        return out.put(be32{net.address4.length == 0 ? 0 : 0xffffffffU << (32 - net.address4.length)});
    case wire::dhcp_router:
        return net.gateway4.is_unspecified() ? void() : out.put(net.gateway4.v4_octets());
    case wire::dhcp_resolvers:
        for (const auto& resolver : net.resolvers4)
            out.put(resolver.v4_octets());
        return;
    case wire::dhcp_host_name:
        return put_text(out, net.hostname);
    case wire::dhcp_mtu:
        return net.mtu == 0 ? void() : out.put(be16{net.mtu});
    case wire::dhcp_lease_time:
        return out.put(be32{lifetimes_of(net).lease});
    case wire::dhcp_message_type:
        return out.put(static_cast<octet>(a.type));
    case wire::dhcp_server_identifier:
        return out.put(net.our_address4.v4_octets());
    case wire::dhcp_client_identifier: // RFC 6842 section 3: returned unaltered
        return out.put(a.request.client_identifier);
    case wire::dhcp_client_fqdn:
        return put_fqdn(out, net.fqdn);
    case wire::dhcp_search_list:
        return put_search_list(out, net);
    case wire::dhcp_classless_routes:
        return put_classless_routes(out, net);
    default:
        return;
    }
}

void put_option(writer& options, octet code, const answer& a) noexcept
{
    if (!allowed(code, a))
        return;
    std::array<octet, 255> buffer;
    writer value{buffer};
    put_value(value, code, a);
    if (value.size() == 0 && code != wire::dhcp_rapid_commit) // RFC 4039 section 4: the one option without a value
        return;
    if (2 + value.size() > options.room())
        return;
    options.put(code);
    options.put(static_cast<octet>(value.size()));
    options.put(value.written());
}

/// The client's wishes in their order (RFC 2132 section 9.8), behind the message type unless it is among them, then all others.
fixed_vector<octet, known_options.size()> order_of(const dhcp_request& r) noexcept
{
    fixed_vector<octet, known_options.size()> order;
    const auto add = [&order](octet code) {
        const bool known = std::find(known_options.begin(), known_options.end(), code) != known_options.end();
        if (known && std::find(order.begin(), order.end(), code) == order.end())
            order.push_back(code);
    };
    if (r.parameters) {
        const auto wishes = *r.parameters;
        if (std::find(wishes.begin(), wishes.end(), wire::dhcp_message_type) == wishes.end())
            add(wire::dhcp_message_type);
        for (const octet code : wishes)
            add(code);
    }
    for (const octet code : known_options)
        add(code);
    return order;
}

void put_options(writer& message, const answer& a) noexcept
{
    std::array<octet, longest_options> buffer;
    writer options{buffer};
    for (const octet code : order_of(a.request))
        put_option(options, code, a);
    message.put(options.written());
    message.put(wire::dhcp_end);
    if (options.size() + 1 < shortest_options)
        message.fill(shortest_options - options.size() - 1);
}

wire::dhcp_header header_of(const answer& a) noexcept
{
    wire::dhcp_header h = a.request.header;
    h.operation = wire::dhcp_boot_reply;
    h.hops = 0;
    h.seconds = std::uint16_t{0};
    h.yours = {};
    h.next_server = {};
    h.server_name = {};
    h.file = {};
    if (a.type == dhcp_type::nak)
        h.client = {};
    else if (a.request.type != dhcp_type::inform)
        h.yours = a.net.address4.address.v4_octets();
    return h;
}

/// RFC 2131 section 4.1, last paragraphs: a client that has no address yet is reached by its Ethernet address.
ip_address destination_of(const answer& a) noexcept
{
    constexpr auto broadcast = ip_address::v4(0xffffffffU);
    if (a.type == dhcp_type::nak)
        return broadcast;
    const ip_address client{a.request.header.client};
    if (a.request.type == dhcp_type::inform && client.is_unicast() && !client.is_loopback())
        return client;
    return (a.request.header.flags & wire::dhcp_broadcast_flag) != 0 ? broadcast : a.net.address4.address;
}

} // namespace

ip_address address_given_by_dhcp(bytes_view udp_payload, const guest_network& net) noexcept
{
    const auto request = wire::parse_dhcp_request(udp_payload);
    if (!net.ipv4 || !net.dhcp || !request || request->type == dhcp_type::inform)
        return {};
    const auto type = answer_to(*request, net);
    return type && *type == dhcp_type::ack ? net.address4.address : ip_address{};
}

parsed<std::size_t> dhcp_respond(const mac_address& ethernet_source, bytes_view udp_payload, const guest_network& net,
                                 bytes_span out) noexcept
{
    if (!net.ipv4)
        return drop_reason::family_disabled;
    if (!net.dhcp)
        return drop_reason::protocol_disabled;
    if (net.address4.address.is_unspecified())
        return drop_reason::unspecified_address;
    const auto request = TAPIOCA_TRY(wire::parse_dhcp_request(udp_payload));
    if (request.header.relay != ipv4_octets{})
        return drop_reason::not_for_us;
    const answer a{request, net, TAPIOCA_TRY(answer_to(request, net))};
    writer message{room_behind(out, room_before_udp4, out.size())};
    message.put(header_of(a));
    put_options(message, a);
    if (message.full())
        return drop_reason::bad_length;
    return enclose_udp(out, {ethernet_source, net.our_mac}, {net.our_address4, wire::dhcp_server_port},
                       {destination_of(a), wire::dhcp_client_port}, 0, message.size());
}

} // namespace tapioca
