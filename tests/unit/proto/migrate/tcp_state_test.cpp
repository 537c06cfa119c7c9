#include "proto/migrate/tcp_state.hpp"

#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;
using namespace tapioca::migrate;
using tcp::tcp_state;

namespace {

const instant now{std::chrono::seconds{100}};

flow_head head()
{
    flow_head h;
    h.key = {ip_address::v4(192, 0, 2, 2), ip_address::v4(192, 0, 2, 3), 20003, 19, wire::protocol_tcp};
    h.origin = flow_origin::peer;
    return h;
}

tcp::connection connection(tcp_state state = tcp_state::established)
{
    tcp::connection c;
    c.iss = seq_number{500};
    c.snd_una = seq_number{1000};
    c.snd_nxt = c.snd_max = seq_number{1500};
    c.snd_wnd = c.max_snd_wnd = 64000;
    c.snd_scale = 4;
    c.rcv_scale = 8;
    c.irs = seq_number{7000};
    c.rcv_nxt = seq_number{9000};
    c.rcv_adv = seq_number{9000 + 65536};
    c.mss = 1440;
    c.state = state;
    return c;
}

} // namespace

TEST_CASE("a connection is the same on the other side")
{
    const auto before = connection();
    const auto record = record_of(head(), before);
    const auto after = connection_of(record, now);
    CHECK((head_of(record).key == head().key && head_of(record).from_peer()));
    CHECK((after.state == before.state && after.mss == before.mss));
    CHECK((after.snd_una == before.snd_una && after.snd_nxt == before.snd_nxt && after.snd_max == before.snd_max));
    CHECK((after.snd_wnd == 64000 && after.snd_scale == 4 && after.rcv_scale == 8));
    CHECK((after.rcv_nxt == before.rcv_nxt && after.rcv_adv == before.rcv_adv && after.irs == before.irs));
}

TEST_CASE("what the guest has not acknowledged is repeated soon, if it does not do so")
{
    auto c = connection_of(record_of(head(), connection()), now);
    CHECK(c.next_timeout(now) == now + tcp::retransmit_timeout::shortest);
    CHECK(c.on_timeout(now + tcp::retransmit_timeout::shortest).has(tcp::effect::rewind));
    CHECK(c.snd_nxt == c.snd_una);
}

TEST_CASE("octets that were sent before a rewind may still be acknowledged")
{
    auto before = connection();
    before.snd_nxt = before.snd_una;
    CHECK(record_of(head(), before).to_guest == seq_number{1500});
}

TEST_CASE("ends that were sent and taken travel")
{
    const auto through = [](tcp_state state, bool fin) {
        auto c = connection(state);
        c.fin_sent = fin;
        return connection_of(record_of(head(), c), now);
    };
    CHECK(through(tcp_state::close_wait, false).state == tcp_state::close_wait);
    CHECK(through(tcp_state::fin_wait_1, true).state == tcp_state::fin_wait_1);
    CHECK(through(tcp_state::fin_wait_2, true).state == tcp_state::fin_wait_2);
    CHECK(through(tcp_state::last_ack, true).state == tcp_state::last_ack);
    CHECK(through(tcp_state::closing, true).state == tcp_state::last_ack);
    CHECK(through(tcp_state::fin_wait_1, true).fin_sent);
    CHECK_FALSE(through(tcp_state::close_wait, false).fin_sent);
}

TEST_CASE("handshakes do not travel")
{
    for (const auto state : {tcp_state::closed, tcp_state::connecting, tcp_state::syn_sent, tcp_state::syn_received})
        CHECK_FALSE(can_travel(connection(state)));
    CHECK(can_travel(connection(tcp_state::last_ack)));
}

TEST_CASE("upstream counts a FIN with the octets that are sent")
{
    const auto record = record_of(head(), connection());
    socket_record s;
    s.send_begin = seq_number{100};
    s.state = socket_state::fin_wait_1;
    CHECK(exact(record, s)->send_begin == seq_number{99});
    s.state = socket_state::fin_wait_2;
    CHECK(exact(record, s)->send_begin == seq_number{99});
    s.state = socket_state::established;
    CHECK(exact(record, s)->send_begin == seq_number{100});
    s.state = socket_state::fin_wait_1;
    s.options = option::exact_sequence; // ours
    CHECK(exact(record, s)->send_begin == seq_number{100});
}

TEST_CASE("upstream leaves out the last octet in front of the peer's FIN: a connection without it cannot go on")
{
    auto c = connection();
    auto record = record_of(head(), c);
    socket_record s;
    s.receive_octets = 5;
    s.state = socket_state::close_wait;
    CHECK_FALSE(exact(record, s));
    s.options = option::exact_sequence;
    CHECK(exact(record, s));
    s = {};
    s.state = socket_state::close_wait;
    CHECK(exact(record, s));
    record.add(event::fin_to_guest); // and octets before it are on their way to the guest, but not in the queue
    CHECK_FALSE(exact(record, s));
    record.acknowledged_by_guest = record.to_guest - 1;
    CHECK(exact(record, s));
}
