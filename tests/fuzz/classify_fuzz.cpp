#include "proto/frame/classify.hpp"
#include "tests/support/fuzz.hpp"

using namespace tapioca;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const bytes_view frame{data, size};
    const auto p = classify(frame);
    if (!p)
        return 0;
    FUZZ_CHECK(inside(p->l3, frame) && inside(p->l4, frame));
    FUZZ_CHECK(p->l3.size() + sizeof(wire::ethernet_header) == size);
    if (p->kind == packet_kind::arp)
        return 0;
    FUZZ_CHECK(inside(p->l4, p->l3));
    FUZZ_CHECK(p->source.is_v4() == p->destination.is_v4());
    FUZZ_CHECK(!p->source.is_loopback() && !p->destination.is_loopback());
    if (p->kind == packet_kind::tcp || p->kind == packet_kind::udp) {
        FUZZ_CHECK(p->l4.size() >= 4);
        FUZZ_CHECK(p->source_port == (p->l4[0] << 8 | p->l4[1]));
        FUZZ_CHECK(p->destination_port == (p->l4[2] << 8 | p->l4[3]));
    }
    FUZZ_CHECK(p->kind != packet_kind::icmp || p->source.is_v4());
    FUZZ_CHECK(p->kind != packet_kind::icmpv6 || !p->source.is_v4());
    return 0;
}
