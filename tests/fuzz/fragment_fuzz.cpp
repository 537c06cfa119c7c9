// A datagram of any size split for any MTU: its fragments fit, and make the datagram again.
#include "proto/frame/fragment.hpp"
#include "proto/frame/reassembly.hpp"
#include "proto/wire/ethernet.hpp"
#include "tests/support/fuzz.hpp"

#include <vector>

using namespace tapioca;

namespace {

struct fields {
    octet choices, upper;
    be16 payload_length, mtu;
};
static_assert(wire_header<fields>);

std::vector<octet> pattern(std::size_t size, unsigned seed)
{
    std::vector<octet> octets(size);
    for (std::size_t i = 0; i < size; ++i)
        octets[i] = static_cast<octet>(i * 7 + i / 256 + seed);
    return octets;
}

parsed<reassembled> add(reassembler& frags, bytes_view l3, bool v4)
{
    if (v4)
        return frags.add(TAPIOCA_TRY(wire::parse_ipv4(l3)), instant{});
    return frags.add(TAPIOCA_TRY(wire::parse_ipv6(l3)), instant{});
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz_input in{{data, size}};
    const auto f = in.take<fields>();
    const bool v4 = (f.choices & 1) != 0;
    const auto upper = pattern(f.upper % 64, 99);
    const auto payload = pattern(f.payload_length, 0);
    outgoing_datagram d;
    d.source = v4 ? ip_address::v4(192, 0, 2, 1) : ip_address::v6({0xfd00, 0, 0, 0, 0, 0, 0, 1});
    d.destination = v4 ? ip_address::v4(192, 0, 2, 2) : ip_address::v6({0xfd00, 0, 0, 0, 0, 0, 0, 2});
    d.protocol = 255;
    d.upper_header = upper;
    d.payload_length = payload.size();

    static std::vector<octet> memory(2 * reassembler::slot_size);
    reassembler frags{memory};
    fragmenter out{d, f.mtu};
    std::size_t count = 0, sent = 0;
    for (auto part = out.next(); part; part = out.next()) {
        ++count;
        FUZZ_CHECK(part->offset == sent && part->offset + part->length <= payload.size());
        sent += part->length;
        std::vector<octet> frame(part->headers.begin(), part->headers.end());
        const auto slice = bytes_view{payload}.subspan(part->offset, part->length);
        frame.insert(frame.end(), slice.begin(), slice.end());
        FUZZ_CHECK(frame.size() <= sizeof(wire::ethernet_header) + f.mtu);

        const auto whole = add(frags, bytes_view{frame}.subspan(sizeof(wire::ethernet_header)), v4);
        FUZZ_CHECK(static_cast<bool>(whole) == (count == out.count()));
        if (!whole) {
            FUZZ_CHECK(whole.why() == drop_reason::fragment_held);
            continue;
        }
        FUZZ_CHECK(whole->payload.size() == upper.size() + payload.size());
        FUZZ_CHECK(std::equal(upper.begin(), upper.end(), whole->payload.begin()));
        FUZZ_CHECK(std::equal(payload.begin(), payload.end(), whole->payload.subspan(upper.size()).begin()));
    }
    FUZZ_CHECK(count == out.count() && (count == 0 || sent == payload.size()));
    return 0;
}
