#include "proto/base/checksum.hpp"
#include "proto/wire/tcp.hpp"
#include "tests/support/fuzz.hpp"

#include <array>

using namespace tapioca;

namespace {

/// A SYN with these options says them again when it is parsed.
void says_again(const wire::tcp_segment& s)
{
    if (!s.mss)
        return;
    std::array<octet, sizeof(wire::tcp_header) + 8> room{};
    wire::tcp_fields f;
    f.source_port = s.source_port;
    f.destination_port = s.destination_port;
    f.seq = s.seq;
    f.ack = s.ack;
    f.flags = s.flags;
    f.window = s.window;
    writer out{room};
    auto h = wire::make_tcp(f, s.window_scale ? 8 : 4);
    out.put(h);
    wire::put_syn_options(out, *s.mss, s.window_scale);
    FUZZ_CHECK(!out.full());
    const auto again = wire::parse_tcp(out.written());
    FUZZ_CHECK(again && again->payload.empty());
    FUZZ_CHECK(again->mss == s.mss && again->window_scale == s.window_scale);
    FUZZ_CHECK(again->seq == s.seq && again->ack == s.ack && again->flags == s.flags && again->window == s.window);

    const auto a = ip_address::v4(192, 0, 2, 1), b = ip_address::v4(192, 0, 2, 2);
    h.checksum = wire::tcp_checksum(a, b, out.written());
    writer{room}.put(h);
    const auto length = static_cast<std::uint32_t>(out.size());
    FUZZ_CHECK(folded(pseudo_header_sum(a, b, wire::protocol_tcp, length) + ones_sum(out.written())) == 0xffff);
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const auto s = wire::parse_tcp({data, size});
    if (!s) {
        FUZZ_CHECK(s.why() != drop_reason::bad_option || (data[13] & wire::tcp_syn) != 0);
        return 0;
    }
    FUZZ_CHECK(s->header_length >= 20 && s->header_length <= 60 && s->header_length % 4 == 0);
    FUZZ_CHECK(s->payload.size() == size - s->header_length);
    FUZZ_CHECK(s->payload.data() == data + s->header_length);
    FUZZ_CHECK(s->has(wire::tcp_syn) || (!s->mss && !s->window_scale));
    FUZZ_CHECK(!s->mss || *s->mss != 0);
    FUZZ_CHECK(!s->window_scale || *s->window_scale <= wire::most_window_scale);
    FUZZ_CHECK(s->length() >= s->payload.size() && s->length() <= s->payload.size() + 2);
    says_again(*s);
    return 0;
}
