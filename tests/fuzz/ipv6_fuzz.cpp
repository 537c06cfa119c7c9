#include "proto/wire/ipv6.hpp"
#include "tests/support/fuzz.hpp"

using namespace tapioca;

namespace {

bool is_walked(octet protocol)
{
    return protocol == wire::protocol_hop_by_hop || protocol == wire::protocol_routing ||
           protocol == wire::protocol_destination_options || protocol == wire::protocol_fragment ||
           protocol == wire::protocol_no_next;
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const bytes_view input{data, size};
    if (size != 0)
        if (const auto upper = wire::walk_upper(data[0], input.subspan(1))) {
            FUZZ_CHECK(!is_walked(upper->protocol));
            FUZZ_CHECK(upper->payload.data() + upper->payload.size() == data + size);
            FUZZ_CHECK((size - 1 - upper->payload.size()) % 8 == 0);
        }

    const auto p = wire::parse_ipv6(input);
    if (!p)
        return 0;
    const std::size_t payload_length = std::size_t{data[4]} << 8U | data[5];
    FUZZ_CHECK(p->header_length >= 40 && p->header_length % 8 == 0);
    FUZZ_CHECK(p->payload.data() == data + p->header_length);
    FUZZ_CHECK(p->header_length + p->payload.size() == 40 + payload_length && 40 + payload_length <= size);
    FUZZ_CHECK(p->fragment_offset % 8 == 0);
    FUZZ_CHECK(p->fragment || (p->fragment_offset == 0 && !p->more_fragments));
    const bool real_fragment = p->fragment_offset != 0 || p->more_fragments;
    FUZZ_CHECK(real_fragment || !is_walked(p->protocol));
    FUZZ_CHECK(!p->fragment || p->header_length >= 48);
    FUZZ_CHECK(p->flow_label <= 0xfffff);

    if (!p->fragment) { // the chain and nothing else is what a walk behind the base header sees, hop-by-hop options excepted
        const octet first = data[6];
        const auto upper = wire::walk_upper(first, input.subspan(40, payload_length));
        FUZZ_CHECK(first == wire::protocol_hop_by_hop ||
                   (upper && upper->protocol == p->protocol && upper->payload.data() == p->payload.data()));
    }
    return 0;
}
