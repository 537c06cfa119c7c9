#include "proto/migrate/tcp_state.hpp"

#include "proto/wire/protocol.hpp"

#include <algorithm>

namespace tapioca::migrate {

using tcp::tcp_state;

bool can_travel(const tcp::connection& c) noexcept { return c.synchronized(); }

flow_record record_of(const flow_head& head, const tcp::connection& c) noexcept
{
    flow_record f{.by_peer = head.from_peer(),
                  .guest = head.key.guest,
                  .remote = head.key.remote,
                  .guest_port = head.key.guest_port,
                  .remote_port = head.key.remote_port,
                  .own = {},
                  .peer = {},
                  .guest_scale = static_cast<std::uint8_t>(c.snd_scale),
                  .our_scale = static_cast<std::uint8_t>(c.rcv_scale),
                  .mss = c.mss,
                  .guest_window = static_cast<std::uint16_t>(std::min<std::uint32_t>(c.snd_wnd >> c.snd_scale, 0xffff)),
                  .to_guest = c.snd_max,
                  .acknowledged_by_guest = c.snd_una,
                  .from_guest = c.rcv_nxt,
                  .acknowledged_to_guest = c.rcv_nxt,
                  .guest_initial = c.irs};
    const auto offered = static_cast<std::uint32_t>(std::max(c.rcv_adv - c.rcv_nxt, 0));
    f.our_window = static_cast<std::uint16_t>(std::min<std::uint32_t>(offered >> c.rcv_scale, 0xffff));
    f.add(event::established);
    if (c.guest_finished())
        f.add(event::guest_finished);
    if (c.fin_sent)
        f.add(event::fin_to_guest);
    if (c.state == tcp_state::fin_wait_2)
        f.add(event::fin_acknowledged);
    return f;
}

flow_head head_of(const flow_record& f) noexcept
{
    flow_head head;
    head.key = {f.guest, f.remote, f.guest_port, f.remote_port, wire::protocol_tcp};
    head.origin = f.by_peer ? flow_origin::peer : flow_origin::guest;
    return head;
}

namespace {

tcp_state state_of(const flow_record& f) noexcept
{
    const bool guest = f.has(event::guest_finished);
    if (!f.has(event::fin_to_guest))
        return guest ? tcp_state::close_wait : tcp_state::established;
    if (f.has(event::fin_acknowledged))
        return guest ? tcp_state::closed : tcp_state::fin_wait_2;
    return guest ? tcp_state::last_ack : tcp_state::fin_wait_1;
}

} // namespace

tcp::connection connection_of(const flow_record& f, instant now) noexcept
{
    tcp::connection c;
    c.state = state_of(f);
    c.snd_una = c.snd_wl2 = f.acknowledged_by_guest;
    c.snd_nxt = c.snd_max = f.to_guest;
    c.iss = c.recover = c.snd_una - 1; // within reach, as numbers wrap
    c.snd_scale = f.guest_scale & 0xfU;
    c.rcv_scale = f.our_scale & 0xfU;
    c.snd_wnd = c.max_snd_wnd = std::uint32_t{f.guest_window} << c.snd_scale;
    c.mss = static_cast<std::uint16_t>(f.mss);
    c.irs = f.guest_initial;
    c.rcv_nxt = c.snd_wl1 = f.from_guest;
    c.rcv_adv = std::max(c.rcv_nxt, f.acknowledged_to_guest + (std::uint32_t{f.our_window} << c.rcv_scale));
    c.fin_sent = f.has(event::fin_to_guest);
    c.rto.set(tcp::retransmit_timeout::shortest);
    c.on_room(now);
    return c;
}

std::optional<socket_record> exact(const flow_record& f, socket_record s) noexcept
{
    if ((s.options & option::exact_sequence) != 0)
        return s;
    s.options |= option::exact_sequence;
    if (s.fin_is_queued() || s.state == socket_state::fin_wait_2)
        s.send_begin = s.send_begin - 1;
    if (!s.peer_has_finished())
        return s;
    // Of a receive queue with a FIN behind it the last octet was left out.
    const auto outstanding = static_cast<std::uint32_t>(f.to_guest - f.acknowledged_by_guest);
    const bool all_sent = f.has(event::fin_to_guest) && outstanding <= 1;
    return s.receive_octets == 0 && (all_sent || !f.has(event::fin_to_guest)) ? std::optional{s} : std::nullopt;
}

} // namespace tapioca::migrate
