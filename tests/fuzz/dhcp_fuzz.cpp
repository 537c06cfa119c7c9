// Any octets as a DHCP request: no fault, and an answer is a datagram with correct checksums whose options can be walked to their
// end. The cookie and the operation are set so that the fuzzer spends its time behind them.
#include "proto/base/checksum.hpp"
#include "proto/responder/dhcp.hpp"
#include "proto/wire/ipv4.hpp"
#include "proto/wire/options.hpp"
#include "proto/wire/udp.hpp"
#include "tests/support/reference_network.hpp"

#include <vector>

using namespace tapioca;

namespace {

bool sound(bytes_view frame)
{
    const auto ip = wire::parse_ipv4(frame.subspan(14));
    if (!ip || folded(ones_sum(frame.subspan(14, 20))) != 0xffff)
        return false;
    const auto length = static_cast<std::uint32_t>(ip->payload.size());
    if (folded(pseudo_header_sum(ip->source, ip->destination, wire::protocol_udp, length) + ones_sum(ip->payload)) != 0xffff)
        return false;
    const auto udp = wire::parse_udp(ip->payload);
    if (!udp || udp->payload.size() < 300 || udp->payload.size() > 548)
        return false;
    wire::dhcp_options options{udp->payload.subspan(240)};
    for (auto o = options.next(); o; o = options.next())
        if (!*o)
            return false;
    return true;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    static const auto net = test::reference_network();
    std::vector<octet> request(data, data + size);
    if (size >= 240) {
        constexpr std::array<octet, 4> cookie = {0x63, 0x82, 0x53, 0x63};
        request[0] = 1;
        std::memcpy(&request[236], cookie.data(), cookie.size());
    }
    std::array<octet, 1514> out;
    const auto n = dhcp_respond(test::guest_mac, request, net, out);
    if (n && !sound(bytes_view{out}.first(*n)))
        __builtin_trap();
    return 0;
}
