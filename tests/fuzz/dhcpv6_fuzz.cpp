// Any octets as a DHCPv6 message: no fault, and an answer is a datagram of at most 1280 octets with a correct checksum that our
// own parser accepts. The first octet says whether our server identifier is put in front of the options, as many messages need
// it.
#include "proto/base/checksum.hpp"
#include "proto/responder/dhcpv6.hpp"
#include "proto/wire/dhcpv6.hpp"
#include "tests/support/reference_network.hpp"

#include <vector>

using namespace tapioca;

namespace {

bool sound(bytes_view frame)
{
    const auto ip = wire::parse_ipv6(frame.subspan(14));
    if (!ip || frame.size() > 14 + 1280)
        return false;
    const auto length = static_cast<std::uint32_t>(ip->payload.size());
    if (folded(pseudo_header_sum(ip->source, ip->destination, wire::protocol_udp, length) + ones_sum(ip->payload)) != 0xffff)
        return false;
    const auto udp = wire::parse_udp(ip->payload);
    return udp && wire::parse_dhcpv6(udp->payload);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    static const auto net = test::reference_network();
    reader in{{data, size}};
    const auto choice = in.take<octet>();
    const auto head = in.take(4);
    if (!choice || !head)
        return 0;
    constexpr std::array<octet, 18> server_id = {0,    2,    0,    14,   0,    1,    0,    1,    0x2a,
                                                 0x3b, 0x4c, 0x5d, 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55};
    std::vector<octet> message(head->begin(), head->end());
    if ((*choice & 1) != 0)
        message.insert(message.end(), server_id.begin(), server_id.end());
    message.insert(message.end(), in.rest().begin(), in.rest().end());

    wire::ipv6_packet ip;
    ip.source = test::guest_link_local;
    ip.destination = ip_address::v6({0xff02, 0, 0, 0, 0, 0, 1, 2});
    std::array<octet, 1514> out;
    const auto n = dhcpv6_respond(test::guest_mac, ip, {546, 547, message}, net, out);
    if (n && !sound(bytes_view{out}.first(*n)))
        __builtin_trap();
    return 0;
}
