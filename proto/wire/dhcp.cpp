#include "proto/wire/dhcp.hpp"

#include "proto/wire/options.hpp"

#include <cstddef>

namespace tapioca::wire {
namespace {

constexpr octet overload_file = 1; // RFC 2132 section 9.3, as bits
constexpr octet overload_server_name = 2;

/// An option whose value is one T.
template <wire_header T>
parsed<T> only(bytes_view value) noexcept
{
    if (value.size() != sizeof(T))
        return drop_reason::bad_option;
    return reader{value}.take<T>();
}

/// Enters what one option area holds into `r`; yields the value of option 52, or 0.
parsed<octet> take_options(bytes_view area, dhcp_request& r) noexcept
{
    octet overload = 0;
    dhcp_options walk{area};
    for (auto o = walk.next(); o; o = walk.next()) {
        if (!*o)
            return o->why();
        const auto value = (*o)->value;
        switch ((*o)->kind) {
        case dhcp_message_type: {
            const auto type = TAPIOCA_TRY(only<octet>(value));
            if (type < static_cast<octet>(dhcp_type::discover) || type > static_cast<octet>(dhcp_type::inform))
                return drop_reason::bad_type;
            r.type = static_cast<dhcp_type>(type);
            break;
        }
        case dhcp_requested_address:
            r.requested = ip_address{TAPIOCA_TRY(only<ipv4_octets>(value))};
            break;
        case dhcp_server_identifier:
            r.server = ip_address{TAPIOCA_TRY(only<ipv4_octets>(value))};
            break;
        case dhcp_overload:
            overload = TAPIOCA_TRY(only<octet>(value));
            break;
        case dhcp_parameter_list:
            r.parameters = value;
            break;
        case dhcp_client_identifier:
            r.client_identifier = value;
            break;
        case dhcp_rapid_commit:
            r.rapid_commit = true;
            break;
        default:
            break;
        }
    }
    return overload;
}

} // namespace

parsed<dhcp_request> parse_dhcp_request(bytes_view udp_payload) noexcept
{
    reader in{udp_payload};
    dhcp_request r;
    r.header = TAPIOCA_TRY(in.take<dhcp_header>());
    if (r.header.operation != dhcp_boot_request || r.header.cookie != dhcp_cookie)
        return drop_reason::bad_type;
    if (r.header.hardware_length > sizeof r.header.hardware_address)
        return drop_reason::bad_length;
    const auto overload = TAPIOCA_TRY(take_options(in.rest(), r));
    if ((overload & overload_file) != 0)
        (void)TAPIOCA_TRY(take_options(udp_payload.subspan(offsetof(dhcp_header, file), sizeof r.header.file), r));
    if ((overload & overload_server_name) != 0)
        (void)TAPIOCA_TRY(take_options(udp_payload.subspan(offsetof(dhcp_header, server_name), sizeof r.header.server_name), r));
    return r;
}

} // namespace tapioca::wire
