#include "proto/wire/udp.hpp"
#include "tests/support/fuzz.hpp"

#include <vector>

using namespace tapioca;

/// What parses lies inside the input, and a header made for it parses to the same and has a true checksum.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const bytes_view l4{data, size};
    const auto d = wire::parse_udp(l4);
    if (!d)
        return 0;
    FUZZ_CHECK(d->payload.size() + sizeof(wire::udp_header) <= size);
    FUZZ_CHECK(d->payload.empty() || d->payload.data() == data + sizeof(wire::udp_header));

    const endpoint from{ip_address::v4(192, 0, 2, 1), d->source_port}, to{ip_address::v4(198, 51, 100, 2), d->destination_port};
    const auto header = wire::make_udp(from, to, d->payload);
    FUZZ_CHECK(header.checksum != 0);
    const auto octets = octets_of(header);
    std::vector<octet> datagram(octets.begin(), octets.end());
    datagram.insert(datagram.end(), d->payload.begin(), d->payload.end());
    const auto length = static_cast<std::uint32_t>(datagram.size());
    FUZZ_CHECK(folded(pseudo_header_sum(from.address, to.address, wire::protocol_udp, length) + ones_sum(datagram)) == 0xffff);
    const auto again = wire::parse_udp(datagram);
    FUZZ_CHECK(again && again->source_port == d->source_port && again->destination_port == d->destination_port);
    FUZZ_CHECK(again->payload.size() == d->payload.size());
    return 0;
}
