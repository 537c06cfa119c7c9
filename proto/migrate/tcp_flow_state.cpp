#include "proto/migrate/tcp_flow_state.hpp"

#include "proto/wire/protocol.hpp"

namespace tapioca::migrate {
namespace {

constexpr std::uint32_t no_timer = UINT32_MAX;
constexpr std::uint8_t most_scale = 14; ///< RFC 7323 section 2.3
constexpr std::uint32_t most_in_flight = 1U << 30;

/// On the wire; everything in network order.
struct tcp_record {
    flow_key key;
    octet origin;
    be16 rule;
    be32 iss, snd_una, snd_nxt, snd_max, snd_wl1, snd_wl2, snd_wnd, max_snd_wnd;
    be32 irs, rcv_nxt, rcv_adv, recover;
    be32 rto_us, retransmit_in_ms; ///< no_timer: it does not run
    be16 mss;
    octet rcv_limit_bits, snd_scale, rcv_scale, state, retries, of_connection;
    be16 keep_idle, of_flow;
    be32 heard, moved, to_socket, to_guest;
};
static_assert(sizeof(tcp_record) == tcp_record_octets && wire_header<tcp_record>);

/// Flags, each with its place in a field of the record: written and read by the same list.
template <class State, class Do>
void each_flag_of_flow(State& s, Do take)
{
    unsigned bit = 0;
    for (auto* flag : {&s.peer_closed, &s.shutdown_due, &s.lingering, &s.aborted, &s.broken, &s.unanswered, &s.error_queue,
                       &s.peek_offset, &s.keeps_place, &s.urgent})
        take(*flag, bit++);
}

constexpr octet fin_sent = 1, gap_reported = 2, probing = 4, blocked = 8, syn_repeated = 16;

octet flags_of(const tcp::connection& c) noexcept
{
    return static_cast<octet>((c.fin_sent ? fin_sent : 0) | (c.gap_reported ? gap_reported : 0) | (c.probing ? probing : 0) |
                              (c.blocked ? blocked : 0) | (c.syn_repeated ? syn_repeated : 0));
}

void set_flags(tcp::connection& c, octet flags) noexcept
{
    c.fin_sent = (flags & fin_sent) != 0;
    c.gap_reported = (flags & gap_reported) != 0;
    c.probing = (flags & probing) != 0;
    c.blocked = (flags & blocked) != 0;
    c.syn_repeated = (flags & syn_repeated) != 0;
}

tcp::connection connection_in(const tcp_record& r) noexcept
{
    tcp::connection c;
    c.iss = seq_number{r.iss}, c.snd_una = seq_number{r.snd_una}, c.snd_nxt = seq_number{r.snd_nxt};
    c.snd_max = seq_number{r.snd_max}, c.snd_wl1 = seq_number{r.snd_wl1}, c.snd_wl2 = seq_number{r.snd_wl2};
    c.snd_wnd = r.snd_wnd, c.max_snd_wnd = r.max_snd_wnd;
    c.irs = seq_number{r.irs}, c.rcv_nxt = seq_number{r.rcv_nxt}, c.rcv_adv = seq_number{r.rcv_adv};
    c.recover = seq_number{r.recover};
    c.rto.set(std::chrono::microseconds{static_cast<std::uint32_t>(r.rto_us)});
    c.mss = r.mss;
    c.rcv_limit_bits = r.rcv_limit_bits & 31;
    c.snd_scale = r.snd_scale & 15;
    c.rcv_scale = r.rcv_scale & 15;
    c.state = static_cast<tcp::tcp_state>(r.state);
    c.retries = r.retries;
    set_flags(c, r.of_connection);
    return c;
}

/// The numbers of a connection stand in an order, and their distances are bounded.
bool is_ordered(const tcp::connection& c) noexcept
{
    const auto sent = static_cast<std::uint32_t>(c.snd_max - c.snd_una), next = static_cast<std::uint32_t>(c.snd_nxt - c.snd_una);
    return sent <= most_in_flight && next <= sent && static_cast<std::uint32_t>(c.rcv_adv - c.rcv_nxt) <= most_in_flight;
}

bool is_possible(const tcp_record& r) noexcept
{
    return r.origin <= 1 && r.key.protocol == wire::protocol_tcp && r.state <= static_cast<octet>(tcp::tcp_state::last_ack) &&
           r.snd_scale <= most_scale && r.rcv_scale <= most_scale && r.mss != 0 &&
           r.rcv_limit_bits >= std::countr_zero(tcp::initial_limit) && r.rcv_limit_bits <= std::countr_zero(most_to_socket);
}

} // namespace

tcp_flow_state state_of(const flow_head& head, const tcp::connection& c, instant now) noexcept
{
    tcp_flow_state s;
    s.head = head;
    s.c = c;
    if (c.retransmit_at.is_set())
        s.retransmit_in = std::max(c.retransmit_at.at(now) - now, duration{});
    s.c.retransmit_at = {};
    s.c.rtt_start = {};
    s.c.ack_delay = {};
    s.c.challenges = {};
    s.c.duplicates = 0;
    s.c.echoes = 0;
    return s;
}

tcp::connection restored(const tcp_flow_state& s, instant now) noexcept
{
    auto c = s.c;
    if (s.retransmit_in)
        c.retransmit_at = now + *s.retransmit_in;
    return c;
}

void write(writer& to, const tcp_flow_state& s) noexcept
{
    const auto& c = s.c;
    std::uint16_t of_flow = 0;
    each_flag_of_flow(s,
                      [&](bool flag, unsigned bit) { of_flow = static_cast<std::uint16_t>(of_flow | (flag ? 1U << bit : 0)); });
    const auto rto = std::chrono::duration_cast<std::chrono::microseconds>(c.rto.value()).count();
    const auto timer = s.retransmit_in ? std::chrono::ceil<std::chrono::milliseconds>(*s.retransmit_in).count() : 0;
    to.put(tcp_record{s.head.key,
                      static_cast<octet>(s.head.origin),
                      s.head.rule,
                      c.iss.value(),
                      c.snd_una.value(),
                      c.snd_nxt.value(),
                      c.snd_max.value(),
                      c.snd_wl1.value(),
                      c.snd_wl2.value(),
                      c.snd_wnd,
                      c.max_snd_wnd,
                      c.irs.value(),
                      c.rcv_nxt.value(),
                      c.rcv_adv.value(),
                      c.recover.value(),
                      static_cast<std::uint32_t>(rto),
                      s.retransmit_in ? static_cast<std::uint32_t>(timer) : no_timer,
                      c.mss,
                      static_cast<octet>(c.rcv_limit_bits),
                      static_cast<octet>(c.snd_scale),
                      static_cast<octet>(c.rcv_scale),
                      static_cast<octet>(c.state),
                      c.retries,
                      flags_of(c),
                      s.keep_idle,
                      of_flow,
                      s.heard,
                      s.moved,
                      s.to_socket,
                      s.to_guest});
}

parsed<tcp_flow_state> read_tcp_flow(reader& from) noexcept
{
    const auto r = from.take<tcp_record>();
    if (!r)
        return r.why();
    if (!is_possible(*r))
        return drop_reason::bad_type;
    if (r->key.guest_port == 0 || r->key.remote_port == 0)
        return drop_reason::zero_port;
    tcp_flow_state s;
    s.head.key = r->key;
    s.head.origin = static_cast<flow_origin>(r->origin);
    s.head.rule = r->rule;
    s.c = connection_in(*r);
    if (r->retransmit_in_ms != no_timer)
        s.retransmit_in = std::chrono::milliseconds{static_cast<std::uint32_t>(r->retransmit_in_ms)};
    each_flag_of_flow(s, [&](bool& flag, unsigned bit) { flag = (r->of_flow >> bit & 1) != 0; });
    s.heard = r->heard, s.moved = r->moved, s.keep_idle = r->keep_idle;
    s.to_socket = r->to_socket, s.to_guest = r->to_guest;
    const bool fits = s.to_socket <= most_to_socket && s.to_guest <= most_to_guest && !(s.peek_offset && s.to_guest != 0);
    if (!fits || !is_ordered(s.c))
        return drop_reason::bad_length;
    return s;
}

} // namespace tapioca::migrate
