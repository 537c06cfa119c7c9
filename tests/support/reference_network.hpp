// The network of the reference captures: one guest, resolvers, search domains and names of both families.
#pragma once

#include "proto/responder/guest_network.hpp"

namespace tapioca::test {

inline constexpr mac_address guest_mac{{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}};
inline constexpr auto guest_link_local = ip_address::v6({0xfe80, 0, 0, 0, 0x5054, 0xff, 0xfe12, 0x3456});

inline guest_network reference_network()
{
    guest_network net;
    net.ipv4 = true;
    net.address4 = {ip_address::v4(198, 51, 100, 10), 24};
    net.gateway4 = ip_address::v4(198, 51, 100, 1);
    net.our_address4 = net.gateway4;
    net.dhcp = true;
    net.ipv6 = true;
    net.address6 = ip_address::v6({0x2001, 0xdb8, 5, 0, 0, 0, 0, 0x10});
    net.our_link_local = ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, 1});
    net.ndp = true;
    net.ra = true;
    net.dhcpv6 = true;
    net.resolvers4.push_back(ip_address::v4(192, 0, 2, 53));
    net.resolvers6.push_back(ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53}));
    for (const auto* text : {"example.com", "sub.example.com"}) {
        domain_name name;
        name.assign(text);
        net.search.push_back(name);
    }
    net.hostname.assign("myhost");
    net.fqdn.assign("myhost.example.com");
    net.duid_time = 0x2a3b4c5d;
    return net;
}

} // namespace tapioca::test
