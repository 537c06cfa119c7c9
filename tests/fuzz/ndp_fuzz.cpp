// Any octets as an ICMPv6 message behind any header: no fault. So that the fuzzer gets past it, the checksum is made to fit; an
// answer must parse back and carry a correct one.
#include "proto/base/checksum.hpp"
#include "proto/responder/ndp.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/reference_network.hpp"

#include <vector>

using namespace tapioca;

namespace {

std::uint64_t sum_of(const wire::ipv6_packet& ip)
{
    const auto length = static_cast<std::uint32_t>(ip.payload.size());
    return pseudo_header_sum(ip.source, ip.destination, wire::protocol_icmpv6, length) + ones_sum(ip.payload);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    static const auto net = test::reference_network();
    reader in{{data, size}};
    const auto choice = in.take<octet>();
    if (!choice)
        return 0;
    wire::ipv6_packet ip;
    ip.source = (*choice & 1) != 0 ? ip_address{} : test::guest_link_local;
    ip.destination = ip_address::v6({0xff02, 0, 0, 0, 0, 0, 0, 2});
    ip.hop_limit = (*choice & 2) != 0 ? 64 : 255;
    std::vector<octet> message(in.rest().begin(), in.rest().end());
    ip.payload = message;
    if (message.size() >= 4 && (*choice & 4) == 0) {
        message[2] = message[3] = 0;
        const auto sum = checksum_of(sum_of(ip));
        message[2] = static_cast<octet>(sum >> 8);
        message[3] = static_cast<octet>(sum);
    }
    std::array<octet, 1514> out;
    const auto n = ndp_respond(test::guest_mac, ip, net, out);
    if (!n)
        return 0;
    const auto answer = wire::parse_ipv6(bytes_view{out}.first(*n).subspan(14));
    if (!answer || folded(sum_of(*answer)) != 0xffff)
        __builtin_trap();
    return 0;
}
