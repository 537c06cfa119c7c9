#include "proto/wire/dhcpv6.hpp"

namespace tapioca::wire {
namespace {

/// The addresses among an identity association's options.
parsed<bool> take_addresses(bytes_view options, dhcpv6_ia& ia) noexcept
{
    dhcpv6_option_walk walk{options};
    for (auto o = walk.next(); o; o = walk.next()) {
        if (!*o)
            return o->why();
        if ((*o)->code != dhcpv6_ia_address)
            continue;
        const auto value = reader{(*o)->value}.take<dhcpv6_ia_address_value>();
        if (!value)
            return drop_reason::bad_option;
        ia.addresses.push_back(ip_address{value->address});
    }
    return true;
}

parsed<dhcpv6_ia> parse_ia(const dhcpv6_option& option) noexcept
{
    reader in{option.value};
    dhcpv6_ia ia;
    ia.code = option.code;
    const auto identifier = in.take<be32>();
    const auto times = option.code == dhcpv6_ia_ta ? in.take(0) : in.take(sizeof(dhcpv6_ia_header) - sizeof(be32));
    if (!identifier || !times)
        return drop_reason::bad_option;
    ia.identifier = *identifier;
    (void)TAPIOCA_TRY(take_addresses(in.rest(), ia));
    return ia;
}

parsed<bool> take_option(const dhcpv6_option& option, dhcpv6_message& m) noexcept
{
    const auto value = option.value;
    switch (option.code) {
    case dhcpv6_client_id:
        if (value.empty() || value.size() > longest_duid)
            return drop_reason::bad_option;
        m.client_id = value;
        break;
    case dhcpv6_server_id:
        m.server_id = value;
        break;
    case dhcpv6_ia_na:
    case dhcpv6_ia_ta:
    case dhcpv6_ia_pd:
        m.ias.push_back(TAPIOCA_TRY(parse_ia(option)));
        break;
    case dhcpv6_rapid_commit:
        m.rapid_commit = true;
        break;
    case dhcpv6_client_fqdn:
        if (value.empty())
            return drop_reason::bad_option;
        m.fqdn_flags = value[0];
        break;
    default:
        break;
    }
    return true;
}

} // namespace

std::optional<parsed<dhcpv6_option>> dhcpv6_option_walk::next() noexcept
{
    if (in_.empty())
        return std::nullopt;
    const auto h = in_.take<dhcpv6_option_header>();
    if (!h)
        return drop_reason::bad_option;
    const auto value = in_.take(h->length);
    if (!value)
        return drop_reason::bad_option;
    return dhcpv6_option{h->code, *value};
}

parsed<dhcpv6_message> parse_dhcpv6(bytes_view udp_payload) noexcept
{
    reader in{udp_payload};
    const auto h = TAPIOCA_TRY(in.take<dhcpv6_header>());
    if (h.type < static_cast<octet>(dhcpv6_type::solicit) || h.type > static_cast<octet>(dhcpv6_type::information_request))
        return drop_reason::bad_type;
    dhcpv6_message m;
    m.type = static_cast<dhcpv6_type>(h.type);
    m.transaction = h.transaction;
    dhcpv6_option_walk walk{in.rest()};
    for (auto o = walk.next(); o; o = walk.next()) {
        if (!*o)
            return o->why();
        (void)TAPIOCA_TRY(take_option(**o, m));
    }
    return m;
}

} // namespace tapioca::wire
