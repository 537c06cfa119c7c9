// A stream of events for a connection with its receive store: segments of the guest, octets and the end of the peer, time, a
// socket that takes octets. What the translator would do with the effects is done here, and after each event all that must hold
// is checked.
//
// An event is eight octets: what, flags, offset of the sequence number, offset of the acknowledgement, window, length.
#include "proto/base/byte_order.hpp"
#include "proto/tcp/connection.hpp"
#include "proto/tcp/receive_store.hpp"
#include "tests/support/fuzz.hpp"

#include <array>
#include <vector>

using namespace tapioca;
using namespace std::chrono_literals;
using tcp::effect;
using tcp::tcp_state;

namespace {

struct command {
    octet what, flags, seq, ack;
    be16 window, length;
};
static_assert(sizeof(command) == 8 && wire_header<command>);

constexpr std::size_t chunks = 6;

octet at(std::uint32_t place) { return static_cast<octet>(place * 37 + (place >> 9)); }

/// Whether RFC 9293 figure 5, from our end and without TIME-WAIT, has a way from one state to the other in one event.
bool legal(tcp_state from, tcp_state to)
{
    using enum tcp_state;
    if (from == to || to == closed)
        return true;
    switch (from) {
    case closed:
        return false;
    case connecting:
        return to == syn_received;
    case syn_sent:
        return to == syn_received || to == established;
    case syn_received: // the ACK of our SYN may carry the guest's FIN
        return to == established || to == close_wait;
    case established:
        return to == fin_wait_1 || to == close_wait;
    case fin_wait_1: // one segment may acknowledge our FIN and carry the guest's
        return to == fin_wait_2 || to == closing;
    case fin_wait_2:
    case closing:
    case last_ack:
        return false;
    case close_wait:
        return to == last_ack;
    }
    return false;
}

class exerciser {
public:
    explicit exerciser(const command& first)
    {
        tcp::segment syn{.seq = seq_number{first.seq * 0x0101'0101U}, .ack = {}, .window = first.window};
        syn.syn = true;
        syn.mss = first.length;
        syn.scale = first.ack % 3 == 0 ? std::int8_t{-1} : static_cast<std::int8_t>(first.ack % 20);
        const seq_number iss{0xffff'f000U + first.flags * 16U};
        if (first.what % 2 == 0) {
            c_.open_from_guest(syn, iss, 1460);
        } else {
            FUZZ_CHECK(c_.open_to_guest(iss, 1460, now_).has(effect::send_syn));
        }
        guest_iss_ = syn.seq;
        remember();
    }

    /// False once the flow is over.
    bool take(const command& c)
    {
        switch (c.what % 8) {
        case 0:
        case 1:
        case 2:
            segment_from_guest(c);
            break;
        case 3:
            if (!ended_)
                available_ += c.length;
            pump();
            break;
        case 4:
            if (c_.state == tcp_state::connecting)
                carry_out({c_.on_connected(now_)});
            else if (c.flags % 4 == 0)
                ended_ = true;
            pump();
            break;
        case 5:
            time_passes(c);
            break;
        case 6:
            drain(c.length);
            break;
        case 7:
            if ((c.what & 8U) != 0)
                room_changes(c);
            else
                speak();
            break;
        }
        check();
        return !over_;
    }

private:
    void segment_from_guest(const command& c)
    {
        const bool opening = !c_.synchronized();
        const auto base = opening ? guest_iss_ + (c.seq % 2) : (c.what & 8U) != 0 ? c_.rcv_adv : c_.rcv_nxt;
        tcp::segment s{.seq = seq_number{base.value() + static_cast<std::uint32_t>(offset(c.seq))},
                       .ack = seq_number{((c.what & 16U) != 0 ? c_.snd_max : c_.snd_una).value() +
                                         static_cast<std::uint32_t>(offset(c.ack))},
                       .window = c.window};
        s.syn = (c.flags & 0x12U) == 0x12U && (c.flags & 0xc0U) == 0;
        s.fin = (c.flags & 1U) != 0 && (c.flags & 0x20U) != 0;
        s.rst = (c.flags & 0x0cU) == 0x0cU && (c.flags & 0xe0U) == 0;
        s.has_ack = (c.flags & 0x80U) == 0 || (c.flags & 7U) != 7;
        s.length = s.syn ? 0 : c.length % 40000U;
        s.scale = static_cast<std::int8_t>(c.length % 16);
        const bool end_follows = s.fin && s.length != 0 && !s.syn && !s.rst;
        s.fin = s.fin && !end_follows;
        take_part(s);
        if (end_follows && !over_) {
            s.seq += s.length;
            s.length = 0;
            s.fin = true;
            take_part(s);
        }
    }

    static std::int32_t offset(octet o)
    {
        if (o < 200)
            return (o % 2 == 0) ? 0 : o / 2 - 20;
        return (static_cast<std::int32_t>(o) - 228) * 4000;
    }

    void take_part(const tcp::segment& s)
    {
        const auto before = c_.rcv_nxt;
        const auto out = c_.on_segment(s, now_);
        transition();
        if (out.take != 0) {
            FUZZ_CHECK(out.skip + out.take <= s.length);
            FUZZ_CHECK(s.seq + out.skip == before + out.gap);
            FUZZ_CHECK(s.seq + out.skip + out.take <= c_.rcv_adv);
            keep(s.seq + out.skip, out.take, out.gap);
        }
        carry_out(out);
    }

    void keep(seq_number from, std::uint32_t count, std::uint32_t gap)
    {
        std::vector<octet> octets(count);
        for (std::uint32_t i = 0; i < count; ++i)
            octets[i] = at(static_cast<std::uint32_t>(from - (c_.irs + 1)) + i);
        const auto put = store_.put(queue_, gap, octets);
        FUZZ_CHECK(put.kept <= count);
        if (gap != 0)
            return;
        if (put.kept != count)
            c_.retract(count - put.kept);
        else if (put.filled != 0)
            c_.on_gap_filled(put.filled);
    }

    void carry_out(const tcp::outcome& out)
    {
        transition();
        FUZZ_CHECK(out.acked <= available_);
        available_ -= out.acked;
        if (out.what.has(effect::shutdown_write))
            store_.forget_behind_gaps(queue_);
        if (out.what.has(effect::close_flow)) {
            FUZZ_CHECK(c_.state == tcp_state::closed);
            over_ = true;
            return;
        }
        FUZZ_CHECK(c_.state != tcp_state::closed);
        if (out.what.has(effect::rewind))
            FUZZ_CHECK(c_.snd_nxt == c_.snd_una);
        if (out.what.has(effect::read_socket))
            pump();
    }

    [[nodiscard]] std::uint32_t peeked() const
    {
        const auto sent = static_cast<std::uint32_t>(c_.snd_nxt - c_.snd_una);
        return c_.fin_sent && c_.snd_nxt == c_.snd_max && sent != 0 ? sent - 1 : sent;
    }

    /// As the translator does it: what the window takes, then the end.
    void pump()
    {
        if (!c_.synchronized() || !has_room_)
            return;
        c_.on_room(now_);
        for (int i = 0; i < 100; ++i) {
            const auto waiting = available_ - peeked();
            FUZZ_CHECK(peeked() <= available_);
            const auto window = c_.send_window();
            if (waiting == 0 && ended_) {
                (void)c_.on_eof(now_);
                transition();
                return;
            }
            if (waiting == 0)
                return;
            if (window == 0) {
                if (!c_.fin_sent)
                    c_.on_blocked(now_);
                return;
            }
            c_.on_sent(std::min({window, waiting, 20'000U}), now_);
        }
    }

    void time_passes(const command& c)
    {
        if (c.flags % 2 == 0)
            now_ += std::chrono::microseconds{c.length};
        else if (c_.retransmit_at.is_set())
            now_ = std::max(now_, c_.retransmit_at.at(now_));
        else
            now_ += 1s;
        if (!has_room_ && c_.on_no_room(now_))
            FUZZ_CHECK(c_.synchronized());
        if (now_ >= c_.retransmit_at.at(now_))
            carry_out({c_.on_timeout(now_)});
    }

    /// The way to the guest is full, or not any more.
    void room_changes(const command& c)
    {
        has_room_ = c.flags % 2 == 0;
        pump();
    }

    void drain(std::uint32_t most)
    {
        std::array<bytes_view, chunks + 1> pieces;
        const auto count = store_.gather(queue_, pieces);
        std::uint32_t left = std::min(most, queue_.length());
        auto place = consumed_;
        for (std::size_t i = 0; i < count && left != 0; ++i)
            for (std::size_t j = 0; j < pieces[i].size() && left != 0; ++j, --left)
                FUZZ_CHECK(pieces[i][j] == at(place++));
        const auto taken = std::min(most, queue_.length());
        if (taken != 0)
            store_.consume(queue_, taken);
        consumed_ += taken;
        if (c_.synchronized() && c_.window_update_due(queue_.length()))
            speak();
    }

    /// A segment to the guest: it carries an acknowledgement and a window.
    void speak()
    {
        const auto field = std::uint32_t{c_.advertise(queue_.length())} << c_.rcv_scale;
        if (!c_.synchronized())
            return;
        const auto edge = c_.rcv_nxt + field;
        const auto unit = 1U << c_.rcv_scale;
        FUZZ_CHECK(!spoken_ || (edge + unit > edge_ && c_.rcv_nxt >= acknowledged_));
        FUZZ_CHECK(field <= tcp::initial_limit - queue_.length());
        edge_ = spoken_ ? std::max(edge_, edge) : edge;
        spoken_ = true;
        acknowledged_ = c_.rcv_nxt;
    }

    void transition()
    {
        FUZZ_CHECK(legal(state_, c_.state));
        state_ = c_.state;
    }

    void remember()
    {
        state_ = c_.state;
        una_ = c_.snd_una;
        adv_ = c_.rcv_adv;
        synchronized_ = c_.synchronized();
    }

    void check()
    {
        transition();
        if (over_)
            return;
        FUZZ_CHECK(c_.snd_una <= c_.snd_nxt && c_.snd_nxt <= c_.snd_max);
        FUZZ_CHECK(una_ <= c_.snd_una);
        if (synchronized_) {
            FUZZ_CHECK(adv_ <= c_.rcv_adv);
            FUZZ_CHECK(c_.rcv_nxt <= c_.rcv_adv + 1); // a FIN may stand behind the edge
            const auto in_order = static_cast<std::uint32_t>(c_.rcv_nxt - (c_.irs + 1)) - (c_.guest_finished() ? 1 : 0);
            FUZZ_CHECK(in_order == consumed_ + queue_.length());
            FUZZ_CHECK(c_.send_window() <= std::max(c_.snd_wnd, 1U));
            // Whatever waits for the guest has a timer behind it.
            FUZZ_CHECK(!has_room_ || c_.snd_una == c_.snd_max || c_.retransmit_at.is_set());
            FUZZ_CHECK(!has_room_ || available_ == peeked() || c_.send_window() != 0 || c_.retransmit_at.is_set());
        }
        FUZZ_CHECK(c_.retries <= tcp::retry_policy{}.retries);
        FUZZ_CHECK(c_.mss >= 48);
        remember();
    }

    tcp::connection c_;
    static inline std::vector<octet> memory_ = std::vector<octet>(chunks * tcp::receive_store::chunk_octets);
    std::array<tcp::receive_store::index, chunks> next_{};
    std::array<tcp::receive_store::range_set, 2> sets_{};
    tcp::receive_store store_{memory_, next_, sets_};
    tcp::receive_store::queue queue_;
    instant now_{1h};
    seq_number guest_iss_, una_, adv_, edge_, acknowledged_;
    std::uint32_t available_ = 0, consumed_ = 0;
    tcp_state state_ = tcp_state::closed;
    bool synchronized_ = false, ended_ = false, spoken_ = false, over_ = false, has_room_ = true;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz_input in{{data, size}};
    exerciser e{in.take<command>()};
    for (int events = 0; events < 2000 && !in.empty(); ++events)
        if (!e.take(in.take<command>()))
            break;
    return 0;
}
