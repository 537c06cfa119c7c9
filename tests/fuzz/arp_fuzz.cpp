// Any octets as the body of an ARP frame: no fault, and an answer is a whole ARP frame from us.
#include "proto/responder/arp.hpp"
#include "tests/support/reference_network.hpp"

using namespace tapioca;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    static const auto net = test::reference_network();
    std::array<octet, 1514> out;
    const auto n = arp_respond(test::guest_mac, {data, size}, net, out);
    if (n && *n != 42)
        __builtin_trap();
    return 0;
}
