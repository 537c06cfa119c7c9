#include "proto/wire/ipv4.hpp"
#include "tests/support/fuzz.hpp"

using namespace tapioca;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const bytes_view input{data, size};
    const auto p = wire::parse_ipv4(input);
    if (!p)
        return 0;
    FUZZ_CHECK(p->header_length >= 20 && p->header_length <= 60 && p->header_length % 4 == 0);
    FUZZ_CHECK(p->payload.data() == data + p->header_length);
    FUZZ_CHECK(p->header_length + p->payload.size() <= size);
    FUZZ_CHECK(p->fragment_offset % 8 == 0);
    FUZZ_CHECK(p->source.is_v4() && p->destination.is_v4());

    wire::ipv4_fields f;
    f.source = p->source;
    f.destination = p->destination;
    f.protocol = p->protocol;
    f.ttl = p->ttl;
    f.tos = p->tos;
    f.identification = p->identification;
    f.flags_fragment = static_cast<std::uint16_t>(p->fragment_offset / 8 | (p->more_fragments ? wire::ipv4_more_fragments : 0) |
                                                  (p->dont_fragment ? wire::ipv4_dont_fragment : 0));
    const auto h = wire::make_ipv4(f, 0);
    FUZZ_CHECK(folded(ones_sum(octets_of(h))) == 0xffff);
    const auto again = wire::parse_ipv4(octets_of(h));
    FUZZ_CHECK(again && again->source == p->source && again->destination == p->destination && again->protocol == p->protocol);
    FUZZ_CHECK(again->fragment_offset == p->fragment_offset && again->more_fragments == p->more_fragments);
    FUZZ_CHECK(again->ttl == p->ttl && again->tos == p->tos && again->identification == p->identification);
    return 0;
}
