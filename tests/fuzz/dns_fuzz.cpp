#include "proto/wire/dns.hpp"
#include "tests/support/fuzz.hpp"

#include <array>

using namespace tapioca;

/// The question lies inside the input; the failure that is made for a query parses, and answers it and nothing of another id.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const bytes_view payload{data, size};
    const auto m = wire::parse_dns(payload);
    if (!m)
        return 0;
    FUZZ_CHECK(inside(m->question, payload));
    std::array<octet, wire::longest_server_failure> room;
    const auto length = wire::make_server_failure(payload, *m, room);
    FUZZ_CHECK(length >= sizeof(wire::dns_header) && length <= size);
    const auto failure = wire::parse_dns(bytes_view{room}.first(length));
    FUZZ_CHECK(failure && failure->answers && failure->rcode == wire::rcode::server_failure);
    FUZZ_CHECK(wire::may_answer(*failure, *m) == !m->answers);
    auto other = *m;
    ++other.id;
    FUZZ_CHECK(!wire::may_answer(*failure, other));
    return 0;
}
