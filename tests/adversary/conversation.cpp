#include "tests/adversary/conversation.hpp"

#include <sstream>

namespace tapioca::adversary {

using stage = test::guest_tcp::stage;

namespace {
constexpr std::size_t link_mtu = 65520; ///< of both programs, if not told otherwise
}

conversation::conversation(const plan& p, std::uint64_t seed, const flow_key& key, const link_ends& link, bool is_inbound,
                           instant now)
    : what(p), guest(key, link, p.options, 2 * p.number), peer(what, 2 * p.number), way(what, seed, key, link),
      inbound(is_inbound), started(now), key_(key)
{
    guest.reads_by_itself = p.guest.greedy && p.guest.stop_at == UINT64_MAX;
    if (p.way.keep_alive != duration{})
        keep_alive_at_ = now + p.way.keep_alive;
}

void conversation::begin(instant now)
{
    if (!inbound)
        guest.connect(now);
    else if (!what.refused)
        guest.listen();
}

void conversation::receive(const wire::tcp_segment& s, instant now)
{
    const bool was_open = guest.at == stage::open;
    guest.receive(s, now);
    if (was_open && guest.at == stage::reset && guest.fin_received && guest.finished_sending)
        reset_in_closing = true;
    turn(now);
}

void conversation::turn(instant now)
{
    if (guest.next() <= now)
        guest.on_timer(now);
    peer.turn(now);
    guest_turn(now);
    peer.turn(now);
    guest_resets(now);
    if (what.how_peer_ends == peer_end::reset_midway && !reset_by_peer_ && !reset_by_guest_ && peer.descriptor() >= 0 &&
        peer.read + guest.received() >= what.peer_resets_at) {
        reset_by_peer_ = way.calm = true;
        peer.reset();
    }
    const bool peer_is_done = peer.is_over() || (what.refused && !inbound);
    if (over_at_ == instant::max() && guest_is_done() && peer_is_done)
        over_at_ = now + what.linger;
}

bool conversation::guest_is_done() const
{
    return guest.at == stage::reset || guest.at == stage::gave_up || (guest.at == stage::closed && inbound) ||
           (guest.at == stage::listening && reset_by_peer_) || // it reset before the handshake's end
           (guest.at == stage::open && guest.fin_received && guest.all_acknowledged() && guest.finished_sending);
}

void conversation::guest_turn(instant now)
{
    guest_resets(now);
    if (guest.at != stage::open)
        return;
    guest_reads(now);
    guest_writes(now);
    guest_ends(now);
    keep_alive(now);
}

void conversation::guest_resets(instant now)
{
    const bool midway =
        what.how_guest_ends == guest_end::reset_midway && guest.received() + guest.acknowledged() >= what.guest_resets_at;
    const bool at_end = what.how_guest_ends == guest_end::reset_at_end && guest.received() == what.down && guest.fin_received &&
                        guest.acknowledged() == what.up && peer.read == what.up;
    if (guest.at != stage::open || reset_by_guest_ || reset_by_peer_ || !(midway || at_end))
        return;
    reset_by_guest_ = way.calm = true;
    guest.abort(now);
}

void conversation::guest_reads(instant now)
{
    if (guest.reads_by_itself || now < read_at_ || guest.taken == guest.received())
        return;
    const auto& a = what.guest;
    if (!has_stopped_ && guest.taken >= a.stop_at) {
        has_stopped_ = true;
        read_at_ = now + a.stop_for;
        return;
    }
    const auto most = a.greedy ? what.options.receive_buffer : a.sip;
    guest.read(has_stopped_ ? most : std::min<std::uint64_t>(most, std::max<std::uint64_t>(a.stop_at - guest.taken, 1)), now);
    if (!a.greedy)
        read_at_ = now + a.pause;
}

void conversation::guest_writes(instant now)
{
    while (guest.written() < what.up && now >= write_at_) {
        const auto chunk = std::min(what.up_chunk, what.up - guest.written());
        write_at_ = now + what.up_pause;
        const bool last = guest.written() + chunk == what.up;
        has_ended_ = last && what.how_guest_ends == guest_end::fin_with_data;
        if (has_ended_)
            guest.write_and_finish(chunk, now);
        else
            guest.write(chunk, now);
    }
}

void conversation::guest_ends(instant now)
{
    if (has_ended_ || guest.written() < what.up)
        return;
    bool may = false;
    switch (what.how_guest_ends) {
    case guest_end::fin_with_data:
        may = what.up == 0;
        break;
    case guest_end::fin_later:
        may = true;
        break;
    case guest_end::fin_after_peer:
        may = guest.fin_received;
        break;
    case guest_end::fin_at_once_both:
        may = peer.has_written_all();
        break;
    case guest_end::reset_midway:
    case guest_end::reset_at_end:
        break;
    }
    if (!may)
        return;
    if (end_at_ == instant::max())
        end_at_ = now + (what.how_guest_ends == guest_end::fin_with_data ? duration{} : what.end_pause);
    if (now < end_at_)
        return;
    if (what.how_guest_ends == guest_end::fin_at_once_both)
        peer.end_now();
    end_at_ = instant::max();
    has_ended_ = true;
    guest.finish(now);
}

/// RFC 9293 section 3.8.4: an octet that was acknowledged already, or none.
void conversation::keep_alive(instant now)
{
    if (now < keep_alive_at_)
        return;
    keep_alive_at_ = now + what.way.keep_alive;
    if (guest.snd_una == guest.snd_nxt && guest.ack_at == instant::max())
        guest.forge(
            {.seq_offset = -1, .payload = !guest.finished_sending && guest.acknowledged() > 0 && guest.acknowledged() % 2 == 0});
}

instant conversation::next() const
{
    auto when = std::min(guest.next(), peer.next());
    if (over_at_ != instant::max())
        return std::min(when, over_at_);
    if (guest.at != stage::open)
        return when;
    if (!guest.reads_by_itself && guest.taken < guest.received())
        when = std::min(when, read_at_);
    if (guest.written() < what.up)
        when = std::min(when, write_at_);
    return std::min({when, end_at_, keep_alive_at_});
}

// ── the verdict ──

void conversation::judge(const wire::tcp_segment& s, bool checksum_is_right)
{
    if (!checksum_is_right)
        complain("a checksum is wrong");
    if (s.has(wire::tcp_rst))
        return;
    const auto end = s.seq + s.length();
    if (s.has(wire::tcp_syn)) {
        daemon_scale_ = s.window_scale && what.options.scale >= 0 ? *s.window_scale : 0;
        if (!knows_begin_)
            newest_ = s.seq + 1;
        knows_begin_ = true;
        if (s.has(wire::tcp_ack))
            window_edge_ = s.ack + std::uint32_t{s.window};
        return;
    }
    if (!knows_begin_)
        return;
    if (s.payload.size() > what.announced_mss)
        complain("a segment of " + std::to_string(s.payload.size()) + " octets");
    const auto packet = (key_.guest.is_v4() ? 20U : 40U) + s.header_length + s.payload.size();
    if (packet > link_mtu)
        complain("a packet of " + std::to_string(packet) + " octets");
    const auto fresh = std::clamp<std::int64_t>(end - newest_, 0, s.length());
    fresh_octets += static_cast<std::uint64_t>(fresh);
    old_octets += s.length() - static_cast<std::uint64_t>(fresh);
    old_segments += fresh == 0 && s.length() != 0;
    newest_ = std::max(newest_, end);
    if (!s.has(wire::tcp_ack))
        return complain("a segment without an acknowledgement");
    const auto edge = s.ack + (std::uint32_t{s.window} << daemon_scale_);
    if (window_edge_ != seq_number{} && window_edge_ - edge >= 1 << daemon_scale_)
        complain("the right edge of the window went back by " + std::to_string(window_edge_ - edge));
    window_edge_ = std::max(window_edge_, edge);
}

std::vector<std::string> conversation::faults(bool in_time) const
{
    auto found = complaints_;
    found.insert(found.end(), guest.complaints.begin(), guest.complaints.end());
    if (!in_time)
        found.emplace_back("not over in time");
    if (peer.is_wrong)
        found.emplace_back("the peer got wrong octets");
    if (peer.error != 0)
        found.push_back("the peer's socket says error " + std::to_string(peer.error));
    if (peer.read > what.up)
        found.emplace_back("the peer got more than was sent");
    if (what.refused) {
        if (inbound ? !peer.saw_reset : guest.at != stage::reset)
            found.emplace_back("the refusal was not passed on");
    } else if (in_time) {
        judge_end(found);
    }
    return found;
}

void conversation::judge_end(std::vector<std::string>& found) const
{
    if (guest.at == stage::gave_up)
        found.emplace_back("the guest gave up");
    if (reset_by_guest_) {
        if (peer.saw_end)
            found.emplace_back("the peer took the guest's reset for an end");
        return;
    }
    if (reset_by_peer_) {
        if (guest.at == stage::open) // before the handshake's end it listens again
            found.emplace_back("the guest did not learn of the peer's reset");
        return;
    }
    if (reset_in_closing && !guest.fin_acked && what.way.is_gentle())
        found.emplace_back("the guest's FIN was never acknowledged");
    if (guest.at == stage::reset && !reset_in_closing)
        found.emplace_back("the guest was reset");
    if (peer.saw_reset)
        found.emplace_back("the peer was reset");
    if (peer.read != what.up)
        found.push_back("the peer got " + std::to_string(peer.read) + " octets");
    if (guest.received() != what.down)
        found.push_back("the guest got " + std::to_string(guest.received()) + " octets");
}

std::string conversation::state() const
{
    std::ostringstream out;
    out << (key_.guest.is_v4() ? "IPv4" : "IPv6") << (inbound ? " inbound" : " outbound") << ", guest's port "
        << static_cast<std::uint16_t>(key_.guest_port) << ": guest in stage " << static_cast<int>(guest.at) << ", sent "
        << guest.snd_nxt - seq_number{what.options.iss} << ", acknowledged " << guest.acknowledged()
        << (guest.finished_sending ? guest.fin_acked ? " and its FIN" : ", FIN sent" : "") << ", got " << guest.received()
        << (guest.fin_received ? " and the FIN" : "") << ", window " << guest.snd_wnd << ", " << guest.retransmissions
        << " repetitions; peer read " << peer.read << (peer.saw_end ? " and the end" : "") << ", wrote " << peer.written
        << (peer.is_shut ? " and its end" : "") << (peer.saw_reset ? ", was reset" : "")
        << (peer.is_over()          ? ", closed"
            : peer.descriptor() < 0 ? ", never connected"
                                    : "")
        << "; lost " << way.lost_out << " out, " << way.lost_in << " in; old octets of the daemon " << old_octets << ", new "
        << fresh_octets;
    return out.str();
}

} // namespace tapioca::adversary
