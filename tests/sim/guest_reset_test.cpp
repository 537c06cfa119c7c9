// Resets in every state are such that the other end takes them, and what comes behind an end begins anew.
#include "tests/sim/scenario.hpp"
#include "tests/support/reference_network.hpp"

#include <set>

using namespace tapioca;
using namespace tapioca::test;

namespace {

bool is_syn_ack(const wire::tcp_segment& s) { return s.has(wire::tcp_syn) && s.has(wire::tcp_ack); }

/// The flows that one of several workers owns.
struct owned_flows final : other_workers {
    std::multiset<std::uint64_t> hashes;
    int refused = 0;

    bool claim(std::uint64_t hash) noexcept override
    {
        const uncounted_allocations quiet;
        const bool free = !hashes.contains(hash);
        refused += free ? 0 : 1;
        if (free)
            hashes.insert(hash);
        return free;
    }
    void disclaim(std::uint64_t hash) noexcept override
    {
        const uncounted_allocations quiet;
        if (const auto at = hashes.find(hash); at != hashes.end())
            hashes.erase(at);
    }
    std::optional<unsigned> owner(std::uint64_t) const noexcept override { return std::nullopt; }
    std::optional<unsigned> who_listens() const noexcept override { return std::nullopt; }
    std::optional<unsigned> better_place(flow_origin, std::uint16_t) noexcept override { return std::nullopt; }
    bool is_crowded() const noexcept override { return false; }
    bool are_small(flow_origin, std::uint16_t) const noexcept override { return false; }
    void note_end(flow_origin, std::uint16_t, std::uint64_t) noexcept override {}
    bool hand_over(unsigned /*to*/, const tcp_flow& /*flow*/, const flow_birth& /*birth*/) noexcept override { return false; }
    void transfer(std::uint64_t /*flow_hash*/, unsigned /*to*/) noexcept override {}
    bool hand_over(unsigned, const rx_frame&) noexcept override { return false; }
    bool hand_over(unsigned, const packet&) noexcept override { return false; }
    bool hand_over(unsigned, os::accepted&, const listener_name&) noexcept override { return false; }
};

/// The guest calls again from the same port, with what it has sent last still on its way. The old connection's far end.
peer_model call_again(simulation& s, conversation& c, std::uint32_t iss)
{
    auto underway = std::move(c.guest->output);
    const auto key = c.guest->key();
    c.guest = std::make_unique<guest_tcp>(key, link_ends{s.config.net.our_mac, guest_mac}, guest_options{.iss = iss}, 10);
    c.guest->output = std::move(underway);
    c.guest->connect(s.now());
    auto old = std::exchange(c.peer, {});
    c.peer.ours = stream_pattern{11};
    c.peer.theirs = stream_pattern{10};
    c.watch = {};
    c.peer.socket = old.socket; // nothing is taken from it, as nothing reads
    c.peer.reads = false;
    return old;
}

/// The newest socket is the new connection's.
void meet_new_peer(simulation& s, conversation& c)
{
    REQUIRE(s.run_until([&] { return &s.kernel.newest() != c.peer.socket; }, 5s));
    c.peer.socket = &s.kernel.newest();
    c.peer.reads = true;
    REQUIRE(s.run_until([&] { return c.guest->at == stage::open; }, 5s));
    c.watch = {}; // it knew the old connection's numbers
    c.guest->complaints.clear();
}

} // namespace

TEST_CASE("a SYN behind the RST of its predecessor, in one batch, begins a connection at once")
{
    owned_flows owned;
    simulation s;
    s.plane->common().others = &owned;
    auto& c = established(s);
    c.guest->abort(s.now());
    const auto start = s.now();
    const auto old = call_again(s, c, 90'000'000);
    meet_new_peer(s, c);
    CHECK(s.now() - start < 10ms);
    CHECK(old.socket->reset_sent);
    converse_to_end(s, c, 100'000, 100'000);
    CHECK(owned.hashes.empty());
    CHECK(owned.refused == 0);
}

TEST_CASE("octets, their RST, a SYN and octets behind the handshake of another, all in one batch")
{
    simulation s;
    auto& c = established(s);
    c.guest->write(1000, s.now());
    c.guest->abort(s.now());
    auto old = call_again(s, c, 90'000'000);
    meet_new_peer(s, c);
    const auto is_reset = [&] {
        (void)old.act(s.now());
        return old.socket->reset_sent;
    };
    CHECK(s.run_until(is_reset, 1s)); // once its octets are there
    CHECK(s.tcp->flow_count() == 1);
    converse_to_end(s, c, 1000, 1000);
}

TEST_CASE("segments behind a RST in one batch are of no connection")
{
    simulation s;
    segment_log log{s};
    auto& c = established(s);
    log.all.clear();
    c.guest->abort(s.now());
    c.guest->forge({.payload = 100});
    s.run_for(1ms);
    CHECK(s.tcp->flow_count() == 0);
    CHECK(s.dropped(drop_reason::no_flow) == 1);
    REQUIRE(log.all.size() == 1);
    CHECK(log.all[0].only(wire::tcp_rst));
}

TEST_CASE("a guest that has forgotten its connection calls again from the same port")
{
    for (const std::uint32_t iss : {90'000'000U, 999'000U}) { // before and behind the old one's numbers
        simulation s;
        auto& c = established(s);
        c.guest->write(5000, s.now());
        s.run_for(1ms);
        const auto old = call_again(s, c, iss);
        meet_new_peer(s, c);
        CHECK(old.socket->reset_sent);
        converse_to_end(s, c, 1000, 1000);
    }
}

namespace {

/// Both ends are done, but 20 000 octets and the end wait for a socket that takes none.
conversation& lingering(simulation& s)
{
    auto& c = established(s);
    c.peer.socket->send_limit = 10'000;
    c.peer.reads = false;
    c.peer.finish = true;
    c.guest->write(30'000, s.now());
    c.guest->finish(s.now());
    REQUIRE(s.run_until([&] { return c.guest->all_acknowledged() && c.guest->fin_received; }, 1s));
    REQUIRE(s.tcp->flow_count() == 1);
    return c;
}

} // namespace

TEST_CASE("a connection that only waits for its socket leaves its key to the guest's next one, and its octets arrive")
{
    owned_flows owned;
    simulation s;
    s.plane->common().others = &owned;
    auto& c = lingering(s);
    segment_log log{s};
    auto old = call_again(s, c, 90'000'000);
    CHECK(old.received == 0);
    const auto start = s.now();
    meet_new_peer(s, c);
    CHECK(s.now() - start < 10ms);
    CHECK(s.tcp->flow_count() == 2);
    CHECK(owned.hashes.size() == 1);
    c.guest->write(5000, s.now());
    CHECK(s.run_until([&] { return c.peer.received == 5000; }, 1s));

    old.reads = true;
    for (int i = 0; i < 10; ++i) {
        old.act(s.now());
        s.run_for(1ms);
    }
    CHECK(old.received == 30'000);
    CHECK(old.saw_end);
    CHECK_FALSE(old.saw_reset);
    CHECK(s.tcp->flow_count() == 1);
    CHECK(owned.hashes.size() == 1);
    CHECK(owned.refused == 0);
    CHECK(log.count(wire::tcp_rst) + log.count(wire::tcp_rst | wire::tcp_ack) == 0);
    converse_to_end(s, c, 1000, 1000);
    CHECK(owned.hashes.empty());
}

TEST_CASE("the new connection may end before the old one has got rid of its octets")
{
    owned_flows owned;
    simulation s;
    s.plane->common().others = &owned;
    auto& c = lingering(s);
    auto old = call_again(s, c, 90'000'000);
    meet_new_peer(s, c);
    c.guest->write_and_finish(1000, s.now());
    c.peer.finish = true;
    CHECK(s.run_until([&] { return s.tcp->flow_count() == 1; }, 1s));
    CHECK(c.peer.received == 1000);
    CHECK(owned.hashes.empty());
    old.reads = true;
    for (int i = 0; i < 10; ++i) {
        old.act(s.now());
        s.run_for(1ms);
    }
    CHECK(old.received == 30'000);
    CHECK(s.nothing_left());
}

TEST_CASE("octets for a peer who takes none for two hours are given up, and the peer does not see an end")
{
    simulation s;
    auto& c = lingering(s);
    s.run_for(1h);
    CHECK(s.tcp->flow_count() == 1);
    CHECK(s.run_until([&] { return s.tcp->flow_count() == 0; }, 62min));
    CHECK(c.peer.socket->reset_sent);
    CHECK(s.nothing_left());
}

TEST_CASE("a peer that resets: the guest takes our reset at once, whatever has got through of the handshake")
{
    SECTION("a peer's: the guest's SYN-ACK is lost")
    {
        simulation s;
        s.lose_from_guest = is_syn_ack;
        auto& c = s.peer_opens();
        s.run_for(10ms);
        REQUIRE(c.guest->at == stage::syn_received);
        s.kernel.peer_resets(*c.peer.socket);
        s.run_for(10ms);
        CHECK(c.guest->at == stage::listening);
        CHECK(s.nothing_left());
    }
    SECTION("the guest's: our SYN-ACK is lost")
    {
        simulation s;
        peers_answer(s);
        s.lose_to_guest = is_syn_ack;
        auto& c = s.guest_opens();
        s.run_for(10ms);
        REQUIRE(c.guest->at == stage::syn_sent);
        s.kernel.peer_resets(*c.peer.socket);
        s.run_for(10ms);
        CHECK(c.guest->at == stage::reset);
        CHECK(s.nothing_left());
    }
    SECTION("the guest's: the last ACK of the handshake is lost")
    {
        simulation s;
        peers_answer(s);
        s.lose_from_guest = [](const wire::tcp_segment& g) { return !g.has(wire::tcp_syn); };
        auto& c = s.guest_opens();
        s.run_for(10ms);
        REQUIRE(c.guest->at == stage::open);
        s.kernel.peer_resets(*c.peer.socket);
        s.run_for(10ms);
        CHECK(c.guest->at == stage::reset);
        CHECK(s.nothing_left());
    }
}

TEST_CASE("a peer that resets while octets towards the guest are lost: the guest takes our reset behind them, or when they have "
          "had time")
{
    for (const int from : {1, 2, 14})
        for (const int losses : {1, 3, 1000}) {
            CAPTURE(from, losses);
            simulation s{{.mtu = 1500, .split_frames = true}};
            auto& c = established(s);
            int data = 0;
            s.lose_to_guest = [&](const wire::tcp_segment& g) {
                data += g.payload.empty() ? 0 : 1;
                return !g.payload.empty() && data >= from && data < from + losses;
            };
            c.peer.to_send = 20'000;
            s.run_for(60us);
            s.kernel.peer_resets(*c.peer.socket);
            CHECK(s.run_until([&] { return c.guest->at == stage::reset; }, losses < 1000 ? 10s : 40s));
            CHECK(s.nothing_left());
        }
}

TEST_CASE("a guest that has filled the window, of which all was lost, and resets: the peer hears of it at once")
{
    for (const std::uint32_t frame : {1460U, 16'384U}) {
        simulation s{{.guest = {.send_frame = frame, .congestion_window = false}}};
        auto& c = established(s);
        c.guest->write(1000, s.now());
        s.run_for(20ms); // the window was told with its acknowledgement
        s.lose_from_guest = [](const wire::tcp_segment& g) { return !g.payload.empty(); };
        const auto window = c.guest->snd_wnd;
        c.guest->write(window, s.now());
        REQUIRE(c.guest->snd_nxt - c.guest->snd_una == static_cast<std::int32_t>(window));
        c.guest->abort(s.now());
        s.run_for(10ms);
        CHECK(c.peer.saw_reset);
        CHECK(s.nothing_left());
    }
}
