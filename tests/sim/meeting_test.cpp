// Ends and beginnings of connections that meet in one batch, in one turn, or on one port.
#include "tests/sim/scenario.hpp"

using namespace tapioca;
using namespace tapioca::test;

namespace {
/// The peer has ended; its FIN is on the way to the guest, which has not seen it yet.
conversation& peer_has_ended(simulation& s)
{
    auto& c = established(s);
    s.lose_to_guest = [](const wire::tcp_segment& seg) { return seg.has(wire::tcp_fin); };
    c.peer.finish = true;
    s.run_for(10ms);
    return c;
}
} // namespace

TEST_CASE("the ACK of our FIN comes in the turn behind the guest's FIN: the guest's FIN is acknowledged before the flow ends")
{
    simulation s;
    auto& c = peer_has_ended(s);
    segment_log log{s};
    const auto fin = c.guest->snd_nxt;
    s.after(50us, [&] { // the FIN is the last frame of one batch, the ACK the first of the next
        for (std::size_t i = 1; i < memory_tap::most_frames; ++i)
            s.inject(std::vector<octet>(60));
    });
    c.guest->forge({.flags = wire::tcp_fin | wire::tcp_ack});
    c.guest->forge({.seq_offset = 1, .ack_offset = 1});
    s.run_for(100ms);
    CHECK(s.nothing_left());
    bool acknowledged = false;
    for (const auto& x : log.all)
        acknowledged = acknowledged || x.s.ack == fin + 1;
    CHECK(acknowledged);
}

TEST_CASE("a SYN behind the last ACK of the former connection in one batch is answered")
{
    simulation s;
    auto& c = peer_has_ended(s);
    c.guest->forge({.flags = wire::tcp_fin | wire::tcp_ack});
    s.run_for(100ms);
    segment_log log{s};
    c.guest->forge({.seq_offset = 1, .ack_offset = 1});
    c.guest->forge({.flags = wire::tcp_syn, .seq_offset = 100'000});
    s.run_for(100ms);
    CHECK(log.count(wire::tcp_syn | wire::tcp_ack) == 1);
}

TEST_CASE("a peer that takes its port again is served although the guest has not acknowledged the end of the former connection")
{
    simulation s;
    auto& c = s.peer_opens();
    REQUIRE(s.run_until([&] { return c.guest->at == stage::open; }));
    c.guest->finish(s.now()); // both sides end; the guest's last acknowledgement is lost
    s.run_until([&] { return c.peer.saw_end; }, 1s);
    s.lose_from_guest = [](const wire::tcp_segment&) { return true; };
    c.peer.finish = true;
    s.run_for(10ms);
    // the peer's kernel is through with it: the same four numbers come again
    const auto key = c.guest->key();
    memory_socket* socket = nullptr;
    auto accepted = s.kernel.accept_from({key.remote, key.remote_port}, socket);
    segment_log log{s};
    s.plane->take_connection(std::move(accepted), {.rule = s.rule, .port = key.guest_port, .protocol = wire::protocol_tcp},
                             s.now());
    s.run_for(10ms);
    CHECK(log.count(wire::tcp_syn) == 1);
}

TEST_CASE("a peer that calls two addresses of the host from one port has two connections")
{
    simulation s;
    auto& c = s.peer_opens();
    REQUIRE(s.run_until([&] { return c.guest->at == stage::open; }));
    const auto key = c.guest->key();
    memory_socket* socket = nullptr;
    auto accepted = s.kernel.accept_from({key.remote, key.remote_port}, socket); // at another address: the guest has only one
    segment_log log{s};
    s.plane->take_connection(std::move(accepted), {.rule = s.rule, .port = key.guest_port, .protocol = wire::protocol_tcp},
                             s.now());
    s.run_for(10ms);
    CHECK(log.count(wire::tcp_syn) == 1);
    CHECK(c.guest->at == stage::open);
}
