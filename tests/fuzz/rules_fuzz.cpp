// Forwarding rules and the translation of addresses, any addresses with any: what a guest is shown, it can answer, and its answer
// goes back to where the packet came from.
#include "proto/forward/address_mapping.hpp"
#include "proto/forward/rule_table.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/fuzz.hpp"

using namespace tapioca;

namespace {

/// Addresses that mean something to one of the rows, more often than any others.
ip_address take_address(fuzz_input& in)
{
    const auto which = in.take<octet>();
    switch (which % 16) {
    case 0:
        return {};
    case 1:
        return ip_address::v4(0);
    case 2:
        return ip_address::v4(127, 0, 0, which >> 4);
    case 3:
        return ip_address::v6({0, 0, 0, 0, 0, 0, 0, 1});
    case 4:
    case 5:
    case 6:
        return ip_address::v4(192, 0, 2, which >> 4);
    case 7:
    case 8:
    case 9:
        return ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, static_cast<std::uint16_t>(which >> 4)});
    case 10:
        return ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, static_cast<std::uint16_t>(which >> 4)});
    case 11:
        return ip_address::v4(169, 254, 2, which >> 4);
    case 12:
        return ip_address::v4(224, 0, 0, which >> 4);
    case 13:
        return ip_address::v6({0xff02, 0, 0, 0, 0, 0, 0, static_cast<std::uint16_t>(which >> 4)});
    case 14:
        return ip_address{in.take<ipv4_octets>()};
    default:
        return ip_address{in.take<ipv6_octets>()};
    }
}

ip_address take_address(fuzz_input& in, ip_family family)
{
    const auto a = take_address(in);
    return a.is_unspecified() || a.family() != family ? ip_address{} : a;
}

address_map take_translation(fuzz_input& in)
{
    using enum ip_family;
    address_map t;
    for (auto* a : {&t.map_host_loopback4, &t.map_guest_addr4, &t.guest4, &t.our_tap4})
        *a = take_address(in, ipv4);
    for (auto* a : {&t.map_host_loopback6, &t.map_guest_addr6, &t.guest6, &t.our_tap6_ll, &t.gateway6})
        *a = take_address(in, ipv6);
    for (const auto family : {ipv4, ipv6}) {
        auto& names = family == ipv4 ? t.names4 : t.names6;
        for (auto left = in.take<octet>() % 4; left != 0; --left)
            if (const auto a = take_address(in, family); !a.is_unspecified())
                names.forwarded.push_back(a);
        for (auto left = in.take<octet>() % 4; left != 0; --left)
            if (const auto a = take_address(in, family); !a.is_unspecified())
                names.resolvers.push_back(a);
    }
    return t;
}

forward_rule take_rule(fuzz_input& in)
{
    const auto flags = in.take<octet>();
    forward_rule rule;
    rule.protocol = (flags & 1) != 0 ? wire::protocol_tcp : wire::protocol_udp;
    rule.stack = static_cast<listen_stack>((flags >> 1) % 3);
    rule.address = rule.stack == listen_stack::dual ? ip_address{} : take_address(in);
    if ((flags & 0x40) != 0)
        rule.interface.assign("eth0");
    rule.first = in.take<be16>();
    rule.last = static_cast<std::uint16_t>(std::min<unsigned>(rule.first + in.take<octet>() % 8U, 65535));
    rule.target_first = in.take<be16>();
    if (rule.target_first + (rule.last - rule.first) > 65535)
        rule.target_first = 1;
    rule.target = take_address(in);
    return rule;
}

void check_table(fuzz_input& in)
{
    forward_rules table;
    for (int i = 0; i < 20 && !in.empty(); ++i) {
        const auto rule = take_rule(in);
        const auto before = table.size();
        const auto refused = add_rule(table, rule, {});
        FUZZ_CHECK(table.size() == before + (refused ? 0 : 1));
        bool meets = false;
        for (std::size_t j = 0; j < before; ++j) {
            FUZZ_CHECK(conflicting(table[j], rule) == conflicting(rule, table[j]));
            meets = meets || conflicting(table[j], rule);
        }
        FUZZ_CHECK(refused || !meets);
        FUZZ_CHECK(refused || conflicting(rule, rule));
        FUZZ_CHECK(!refused || refused->why != rule_fault::conflict || meets);
    }
}

void check_inbound(const address_map& t, const forward_rule& rule, const endpoint& peer, const ip_address& to,
                   const guest_addresses& seen)
{
    const auto in = inbound_endpoints(t, rule, rule.first, peer, to, seen);
    if (!in)
        return;
    FUZZ_CHECK(in->source.port == peer.port && in->destination.port == rule.target_first);
    FUZZ_CHECK(in->source.address.is_v4() == peer.address.is_v4());
    FUZZ_CHECK(in->source.address.is_v4() == in->destination.address.is_v4());
    FUZZ_CHECK(in->source.address.is_v4() == in->guest.is_v4());
    FUZZ_CHECK(!in->source.address.is_unspecified() && !in->guest.is_unspecified());
    FUZZ_CHECK(rule.target.is_unspecified() || in->destination.address == rule.target);
    FUZZ_CHECK(in->destination.address.is_multicast() || in->guest == in->destination.address);
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz_input in{{data, size}};
    const auto t = take_translation(in);
    const endpoint remote{take_address(in), in.take<be16>()};
    const octet protocol = in.take<octet>() % 2 == 0 ? wire::protocol_tcp : wire::protocol_udp;

    const auto out = outbound_destination(t, protocol, remote);
    FUZZ_CHECK(out.port == remote.port && out.address.is_v4() == remote.address.is_v4());
    FUZZ_CHECK(!out.address.is_unspecified() || out.address == remote.address);

    const guest_addresses seen{take_address(in, ip_family::ipv4), take_address(in, ip_family::ipv6),
                               take_address(in, ip_family::ipv6)};
    const auto rule = take_rule(in);
    check_inbound(t, rule, remote, take_address(in), seen);
    if (const auto node = reporting_node(t, remote.address, seen.v4))
        FUZZ_CHECK(node->is_v4() == remote.address.is_v4());
    check_table(in);
    return 0;
}
