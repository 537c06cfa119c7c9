// Guests that take whatever they can get: what is bounded, who is refused, and that it ends.
#include "tests/sim/scenario.hpp"

using namespace tapioca;
using namespace tapioca::test;

namespace {

/// Guests that call hosts which never answer, and are gone themselves.
void call_the_dead(simulation& s, int count)
{
    s.kernel.on_connect = [](memory_socket&) { return EINPROGRESS; };
    for (int i = 0; i < count; ++i) {
        auto& c = s.guest_opens();
        s.run_for(1ms);
        c.guest->mute = true;
    }
}

/// Lines of that kind since the last question.
std::size_t told(simulation& s, report::event_kind kind) { return std::exchange(s.told[static_cast<std::size_t>(kind)], 0); }

} // namespace

TEST_CASE("a scan of hosts that do not answer displaces its own oldest attempts, and nothing else")
{
    simulation s;
    s.config.connecting_flows = 8;
    auto& c = established(s);
    call_the_dead(s, 50);
    CHECK(s.tcp->flow_count() == 1 + 8);
    CHECK(s.kernel.open_sockets() == 1 + 8);
    CHECK(s.count(report::counter::tcp_connects_displaced) == 42);
    SECTION("what stands goes on, and what answers is let in")
    {
        auto& fresh = established(s);
        CHECK(fresh.guest->at == stage::open);
        c.guest->write_and_finish(100'000, s.now());
        c.peer.to_send = 100'000;
        c.peer.finish = true;
        CHECK(s.run_until([&] { return c.peer.received == 100'000 && c.guest->received() == 100'000; }));
    }
    SECTION("a displaced attempt is made again by the guest's next SYN")
    {
        auto& late = s.guest_opens();
        s.run_for(1ms);
        call_the_dead(s, 8);
        CHECK(late.guest->at == stage::syn_sent);
        peers_answer(s);
        CHECK(s.run_until([&] { return late.guest->at == stage::open; }, 5s));
    }
    SECTION("nothing is left in the end")
    {
        for (auto& socket : s.kernel.sockets())
            if (socket.at == memory_socket::stage::connecting && !socket.closed)
                s.kernel.connect_failed(socket, ETIMEDOUT);
        s.run_for(1s);
        CHECK(s.tcp->flow_count() == 1);
    }
}

TEST_CASE("beyond a limit the newest is refused, in few words, and whoever ends makes room")
{
    flow_budget::shares shares;
    shares.of[static_cast<std::size_t>(flow_share::tcp)] = 3;
    flow_budget budget{shares};
    simulation s;
    s.plane->common().budget = &budget;
    std::vector<conversation*> open;
    for (int i = 0; i < 3; ++i)
        open.push_back(&established(s));
    std::vector<conversation*> refused;
    for (int i = 0; i < 100; ++i) {
        refused.push_back(&s.guest_opens());
        s.run_for(1ms);
        refused.back()->guest->mute = true;
    }
    CHECK(s.tcp->flow_count() == 3);
    CHECK(s.dropped(drop_reason::flow_limit) == 100);
    CHECK(told(s, report::event_kind::flow_table_full) == 5);
    open[0]->guest->abort(s.now());
    s.run_for(1ms);
    CHECK(budget.count(flow_share::tcp) == 2);
    auto& next = established(s);
    CHECK(s.tcp->flow_count() == 3);
    next.guest->abort(s.now());
    open[1]->guest->abort(s.now());
    s.run_for(1ms);
    converse_to_end(s, *open[2], 1000, 1000);
    CHECK(budget.count(flow_share::tcp) == 0);
}

TEST_CASE("a guest whose MAC changes with every frame does not fill the log")
{
    simulation s;
    auto& c = established(s);
    (void)told(s, report::event_kind::guest_mac_learned);
    for (int i = 0; i < 200; ++i) {
        c.guest->forge({});
        c.guest->output.back().octets[11] = static_cast<octet>(i);
        s.run_for(1ms);
    }
    CHECK(told(s, report::event_kind::guest_mac_learned) == 5);
    s.run_for(1s);
    c.guest->forge({});
    s.run_for(1ms);
    CHECK(told(s, report::event_kind::guest_mac_learned) == 1);
}

TEST_CASE("peers who fill their share leave room for what the guest begins")
{
    flow_budget::shares shares;
    shares.of[static_cast<std::size_t>(flow_share::tcp)] = 8;
    shares.of_peers[static_cast<std::size_t>(flow_share::tcp)] = 6;
    flow_budget budget{shares};
    simulation s;
    s.plane->common().budget = &budget;
    peers_answer(s);
    std::size_t turned_away = 0;
    for (int i = 0; i < 20; ++i) {
        auto& c = s.peer_opens();
        s.run_for(5ms);
        turned_away += c.peer.saw_reset ? 1 : 0;
    }
    CHECK(turned_away == 14);
    CHECK(established(s).guest->at == stage::open);
    CHECK(established(s).guest->at == stage::open);
    CHECK(s.tcp->flow_count() == 8);
}

TEST_CASE("a guest that takes nothing for hours costs no memory of ours; its connection ends when it does not answer any more")
{
    simulation s;
    auto& c = established(s);
    c.guest->out_of_memory = true;
    c.peer.to_send = 50'000'000;
    s.run_for(1h);
    CHECK(s.tcp->flow_count() == 1);
    CHECK(s.tcp->store().chunks_used() == 0);
    CHECK(c.peer.sent < 20'000'000); // the peer is held back
    const auto frames = s.count(report::counter::frames_to_guest);
    CHECK(frames < 500); // probes come ever more rarely
    s.run_for(5h);       // RFC 1122 section 4.2.2.17
    CHECK(s.tcp->flow_count() == 1);
    CHECK(s.tcp->store().chunks_used() == 0);
    c.guest->mute = true;
    s.run_for(31min); // fifteen probes, two minutes apart
    CHECK(c.peer.saw_reset);
    CHECK(s.nothing_left());
}
