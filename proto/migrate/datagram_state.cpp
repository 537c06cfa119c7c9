#include "proto/migrate/datagram_state.hpp"

#include "proto/wire/dns.hpp"
#include "proto/wire/protocol.hpp"

#include <algorithm>

namespace tapioca::migrate {
namespace {

constexpr std::uint16_t number_of_queries = 0xffff; ///< of a socket to the name forwarder, which does not move

/// On the wire; everything in network order.
struct udp_socket_record {
    octet listens;
    listener_record through;
    flow_key key;
    octet ttl;
    be32 flows;
};
static_assert(sizeof(udp_socket_record) == udp_socket_octets && wire_header<udp_socket_record>);

struct udp_flow_record {
    flow_key key;
    octet origin;
    be16 rule;
    octet flags;
    ip_address peer;
    be16 peer_port;
    ip_address called;
    be16 largest_segment;
    be32 idle_ms;
    octet from_guest, from_peer, unanswered;
    be64 octets_from_guest, octets_to_guest;
    be16 queries;
};
static_assert(sizeof(udp_flow_record) == udp_flow_octets && wire_header<udp_flow_record>);

constexpr octet renamed = 1, asks_names = 2, passes_answers = 4;

struct query_record {
    octet ttl, tos;
    be16 length;
};
static_assert(sizeof(query_record) == query_octets && wire_header<query_record>);

struct echo_record {
    flow_key key;
    octet ttl, tos, answered;
    be32 idle_ms;
    be64 octets_from_guest, octets_to_guest;
};
static_assert(sizeof(echo_record) == echo_flow_octets && wire_header<echo_record>);

std::uint32_t milliseconds(duration d) noexcept
{
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(ms, 0, UINT32_MAX));
}

/// Translation does not lead from one family to the other.
bool are_alike(const ip_address& a, const ip_address& b) noexcept { return a.family() == b.family(); }

bool is_possible(const udp_socket_record& r) noexcept
{
    if (r.listens > 1 || r.flows == 0 || r.flows > most_flows_of_socket)
        return false;
    if (r.listens != 0)
        return r.through.side == static_cast<octet>(rule_side::host) && r.through.protocol == wire::protocol_udp;
    return r.key.protocol == wire::protocol_udp && r.key.guest.is_unicast() && r.key.remote_port != number_of_queries &&
           (r.key.remote == ip_address{} || r.key.remote == ip_address::loopback(r.key.guest.family()));
}

bool is_possible(const udp_flow_record& r) noexcept
{
    const bool asks = (r.flags & asks_names) != 0;
    const bool is_ours = r.origin == static_cast<octet>(flow_origin::guest) && r.key.remote_port == wire::dns_port;
    return r.key.protocol == wire::protocol_udp && r.origin <= 1 && !r.key.guest.is_multicast() &&
           are_alike(r.key.guest, r.key.remote) && are_alike(r.key.guest, r.peer) &&
           (r.called == ip_address{} || are_alike(r.called, r.peer)) && r.flags <= (renamed | asks_names | passes_answers) &&
           (asks ? is_ours : (r.flags & passes_answers) == 0 && r.queries == 0) && r.queries <= most_queries;
}

bool is_possible(const echo_record& r) noexcept
{
    const auto protocol = r.key.guest.is_v4() ? wire::protocol_icmp : wire::protocol_icmpv6;
    return r.key.protocol == protocol && are_alike(r.key.guest, r.key.remote) && r.key.guest.is_unicast() &&
           r.key.remote.is_unicast() && r.key.remote_port == 0 && r.answered <= 1;
}

} // namespace

void write(writer& to, const udp_socket_state& s) noexcept
{
    to.put(udp_socket_record{s.listens, s.through, s.key, s.ttl, s.flows});
}

void write(writer& to, const udp_flow_state& s) noexcept
{
    const auto flags =
        static_cast<octet>((s.renamed ? renamed : 0) | (s.asks_names ? asks_names : 0) | (s.passes_answers ? passes_answers : 0));
    to.put(udp_flow_record{s.head.key, static_cast<octet>(s.head.origin), s.head.rule, flags, s.peer.address, s.peer.port,
                           s.called, s.largest_segment, milliseconds(s.idle), s.counts.from_guest, s.counts.from_peer,
                           s.counts.unanswered, s.octets.from_guest, s.octets.to_guest, s.queries});
}

void write(writer& to, const query_state& s) noexcept
{
    to.put(query_record{s.ttl, s.tos, static_cast<std::uint16_t>(s.message.size())});
    to.put(s.message);
}

void write(writer& to, const echo_flow_state& s) noexcept
{
    to.put(echo_record{s.head.key, s.ttl, s.tos, s.answered, milliseconds(s.idle), s.octets.from_guest, s.octets.to_guest});
}

parsed<udp_socket_state> read_udp_socket(reader& from) noexcept
{
    const auto r = from.take<udp_socket_record>();
    if (!r)
        return r.why();
    if (!is_possible(*r))
        return drop_reason::bad_type;
    if ((r->listens != 0 ? r->through.port : r->key.guest_port) == 0)
        return drop_reason::zero_port;
    return udp_socket_state{r->listens != 0, r->through, r->key, r->ttl, r->flows};
}

parsed<udp_flow_state> read_udp_flow(reader& from) noexcept
{
    const auto r = from.take<udp_flow_record>();
    if (!r)
        return r.why();
    if (!is_possible(*r))
        return drop_reason::bad_type;
    if (r->key.guest_port == 0 || r->key.remote_port == 0 || r->peer_port == 0)
        return drop_reason::zero_port;
    udp_flow_state s;
    s.head.key = r->key;
    s.head.kind = flow_kind::udp;
    s.head.origin = static_cast<flow_origin>(r->origin);
    s.head.rule = r->rule;
    s.renamed = (r->flags & renamed) != 0;
    s.asks_names = (r->flags & asks_names) != 0;
    s.passes_answers = (r->flags & passes_answers) != 0;
    s.peer = {r->peer, r->peer_port};
    s.called = r->called;
    s.largest_segment = r->largest_segment;
    s.idle = std::chrono::milliseconds{static_cast<std::uint32_t>(r->idle_ms)};
    s.counts = {r->from_guest, r->from_peer, r->unanswered};
    s.octets = {r->octets_from_guest, r->octets_to_guest};
    s.queries = r->queries;
    return s;
}

parsed<query_state> read_query(reader& from) noexcept
{
    const auto r = from.take<query_record>();
    if (!r)
        return r.why();
    if (r->length > wire::usual_dns_message)
        return drop_reason::bad_length;
    const auto message = from.take(std::size_t{r->length});
    const auto parsed_message = message ? wire::parse_dns(*message) : message.why();
    if (!parsed_message)
        return parsed_message.why();
    if (parsed_message->answers)
        return drop_reason::bad_type;
    return query_state{r->ttl, r->tos, *message};
}

parsed<echo_flow_state> read_echo_flow(reader& from) noexcept
{
    const auto r = from.take<echo_record>();
    if (!r)
        return r.why();
    if (!is_possible(*r))
        return drop_reason::bad_type;
    echo_flow_state s;
    s.head.key = r->key;
    s.head.kind = flow_kind::echo;
    s.ttl = r->ttl, s.tos = r->tos;
    s.answered = r->answered != 0;
    s.idle = std::chrono::milliseconds{static_cast<std::uint32_t>(r->idle_ms)};
    s.octets = {r->octets_from_guest, r->octets_to_guest};
    return s;
}

} // namespace tapioca::migrate
