// What a process that takes another one's place is told by it: messages, parts, and the state. Nothing is read beyond its end,
// and what is accepted is written again as it was, and has bounds that memory was made for.
//
// The first octet says what the others are.
#include "proto/migrate/exchange.hpp"
#include "proto/migrate/tcp_flow_state.hpp"
#include "tests/support/fuzz.hpp"

#include <array>

using namespace tapioca;
using namespace tapioca::migrate;

namespace {

void read_texts(reader from)
{
    const auto header = read_parts(from);
    if (!header)
        return;
    FUZZ_CHECK(header->version == format_version);
    for (unsigned left = header->host_rules + header->guest_rules + 2U; left != 0; --left)
        if (!take_text(from))
            return;
}

void read_flows(reader from)
{
    if (!read_state(from))
        return;
    while (const auto prefix = from.take<flow_prefix>()) {
        const auto before = from.rest();
        const auto s = read_tcp_flow(from);
        if (!s)
            return;
        FUZZ_CHECK(s->to_socket <= most_to_socket && s->to_guest <= most_to_guest);
        std::array<octet, tcp_record_octets> again;
        writer to{again};
        write(to, *s);
        reader second{again};
        const auto same = read_tcp_flow(second);
        FUZZ_CHECK(before.size() >= again.size() && same && same->head.key == s->head.key && same->c.rcv_nxt == s->c.rcv_nxt &&
                   same->c.state == s->c.state && same->to_socket == s->to_socket);
        (void)restored(*s, instant{std::chrono::hours{1}}).next_timeout(instant{std::chrono::hours{1}});
        if (!from.take(std::size_t{s->to_socket}) || !from.take(std::size_t{s->to_guest}))
            return;
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size == 0)
        return 0;
    reader from{{data + 1, size - 1}};
    switch (data[0] % 3) {
    case 0:
        if (const auto m = read_message(from))
            FUZZ_CHECK(m->octets <= longest_message);
        break;
    case 1:
        read_texts(from);
        break;
    default:
        read_flows(from);
    }
    return 0;
}
