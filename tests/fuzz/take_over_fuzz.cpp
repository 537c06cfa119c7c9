// What a process that takes another one's place is told by it: messages, parts, and the state. Nothing is read beyond its end,
// and what is accepted is written again as it was, and has bounds that memory was made for.
//
// The first octet says what the others are.
#include "proto/migrate/datagram_state.hpp"
#include "proto/migrate/exchange.hpp"
#include "proto/migrate/tcp_flow_state.hpp"
#include "proto/wire/dns.hpp"
#include "tests/support/fuzz.hpp"

#include <algorithm>
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

bool read_connection(reader& from)
{
    const auto before = from.rest();
    const auto s = read_tcp_flow(from);
    if (!s)
        return false;
    FUZZ_CHECK(s->to_socket <= most_to_socket && s->to_guest <= most_to_guest);
    std::array<octet, tcp_record_octets> again;
    writer to{again};
    write(to, *s);
    reader second{again};
    const auto same = read_tcp_flow(second);
    FUZZ_CHECK(before.size() >= again.size() && same && same->head.key == s->head.key && same->c.rcv_nxt == s->c.rcv_nxt &&
               same->c.state == s->c.state && same->to_socket == s->to_socket);
    (void)restored(*s, instant{std::chrono::hours{1}}).next_timeout(instant{std::chrono::hours{1}});
    return from.take(std::size_t{s->to_socket}) && from.take(std::size_t{s->to_guest});
}

/// What is accepted is written as it was.
template <std::size_t Octets, class State>
bool is_the_same(bytes_view before, const State& s)
{
    std::array<octet, Octets> again;
    writer to{again};
    write(to, s);
    return !to.full() && to.size() == Octets && before.size() >= Octets && std::ranges::equal(again, before.first(Octets));
}

constexpr std::size_t longest_query = wire::usual_dns_message;

bool read_socket(reader& from)
{
    const auto before = from.rest();
    const auto s = read_udp_socket(from);
    if (!s)
        return false;
    FUZZ_CHECK(is_the_same<udp_socket_octets>(before, *s) && s->flows != 0 && s->flows <= most_flows_of_socket);
    for (std::uint32_t left = s->flows; left != 0; --left) {
        const auto of_flow = from.rest();
        const auto f = read_udp_flow(from);
        if (!f)
            return false;
        FUZZ_CHECK(is_the_same<udp_flow_octets>(of_flow, *f) && f->peer.port != 0 && f->queries <= most_queries);
        for (unsigned queries = f->queries; queries != 0; --queries) {
            const auto of_query = from.rest();
            const auto q = read_query(from);
            if (!q)
                return false;
            FUZZ_CHECK(q->message.size() <= longest_query && wire::parse_dns(q->message) &&
                       of_query.subspan(query_octets).data() == q->message.data());
        }
    }
    return true;
}

bool read_echo(reader& from)
{
    const auto before = from.rest();
    const auto s = read_echo_flow(from);
    FUZZ_CHECK(!s || is_the_same<echo_flow_octets>(before, *s));
    return static_cast<bool>(s);
}

/// So many records, each behind the number of its worker.
template <class Read>
bool read_all(reader& from, std::uint32_t count, Read read)
{
    for (; count != 0; --count)
        if (!from.take<flow_prefix>() || !read(from))
            return false;
    return true;
}

void read_flows(reader from)
{
    const auto state = read_state(from);
    if (!state || !read_all(from, state->tcp_flows, read_connection))
        return;
    const auto datagrams = from.take<datagram_header>();
    (void)(datagrams && read_all(from, datagrams->udp_sockets, read_socket) && read_all(from, datagrams->echo_flows, read_echo));
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
