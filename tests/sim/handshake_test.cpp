#include "proto/responder/icmp_error.hpp"
#include "tests/sim/scenario.hpp"
#include "tests/support/reference_network.hpp"

using namespace tapioca;
using namespace tapioca::test;

TEST_CASE("a guest connects, both send, both end")
{
    for (const bool v6 : {false, true})
        for (const bool peek_offset : {true, false}) {
            simulation s{{.v6 = v6, .peek_offset = peek_offset}};
            peers_answer(s);
            auto& c = s.guest_opens();
            converse_to_end(s, c, 100'000, 300'000, 10s);
        }
}

TEST_CASE("a peer connects, both send, both end")
{
    for (const bool v6 : {false, true})
        for (const bool peek_offset : {true, false}) {
            simulation s{{.v6 = v6, .peek_offset = peek_offset}};
            auto& c = s.peer_opens();
            converse_to_end(s, c, 100'000, 300'000, 10s);
            CHECK(s.count(report::counter::tcp_flows_accepted) == 1);
        }
}

TEST_CASE("the SYN-ACK waits until the peer has answered; what the guest repeats meanwhile is not answered")
{
    simulation s;
    segment_log log{s};
    auto& c = s.guest_opens();
    s.run_for(2s);
    CHECK(log.all.empty());
    REQUIRE(c.peer.socket != nullptr);
    s.kernel.connected(*c.peer.socket);
    CHECK(s.run_until([&] { return c.guest->at == stage::open; }, 1s));
    CHECK(log.count(wire::tcp_syn | wire::tcp_ack) == 1);
    CHECK(s.kernel.sockets().size() == 1);
    converse_to_end(s, c, 10, 10);
}

TEST_CASE("a refused connection is refused to the guest at once")
{
    for (const bool at_once : {true, false}) {
        simulation s;
        if (at_once)
            s.kernel.on_connect = [](memory_socket&) { return ECONNREFUSED; };
        auto& c = s.guest_opens();
        s.run_for(1ms);
        if (!at_once)
            s.kernel.connect_failed(*c.peer.socket, ECONNREFUSED);
        CHECK(s.run_until([&] { return c.guest->at == stage::reset; }, 10ms));
        CHECK(s.nothing_left());
        CHECK(s.count(report::counter::tcp_connect_failed) == 1);
    }
}

TEST_CASE("no socket, or no place in the poller: the guest is refused and nothing leaks")
{
    simulation s;
    s.kernel.socket_fails = EMFILE;
    auto& c = s.guest_opens();
    CHECK(s.run_until([&] { return c.guest->at == stage::reset; }, 10ms));
    s.kernel.socket_fails = 0;
    s.kernel.watch_fails = ENOSPC;
    auto& d = s.guest_opens();
    CHECK(s.run_until([&] { return d.guest->at == stage::reset; }, 10ms));
    CHECK(s.nothing_left());
}

TEST_CASE("a guest that gives up while the socket connects takes the socket with it")
{
    simulation s;
    auto& c = s.guest_opens();
    s.run_for(1ms);
    REQUIRE(s.tcp->flow_count() == 1);
    c.guest->forge({.flags = wire::tcp_rst, .seq_offset = 0});
    s.run_for(1ms);
    CHECK(s.nothing_left());
}

TEST_CASE("a lost SYN-ACK is repeated, and asked for again by the guest's SYN")
{
    simulation s;
    peers_answer(s);
    int lost = 0;
    s.lose_to_guest = [&](const wire::tcp_segment& seg) { return seg.has(wire::tcp_syn) && lost++ < 2; };
    auto& c = s.guest_opens();
    converse_to_end(s, c, 1000, 1000);
    CHECK(lost > 2);
}

TEST_CASE("a lost last ACK of the handshake: the guest's data does as well")
{
    simulation s;
    peers_answer(s);
    int lost = 0;
    s.lose_from_guest = [&](const wire::tcp_segment& seg) { return !seg.has(wire::tcp_syn) && lost++ < 1; };
    auto& c = s.guest_opens();
    converse_to_end(s, c, 1000, 1000);
}

namespace {

/// A guest that never answers: the peer is reset after the last of `seconds`, a SYN goes out at each before it, and nothing else.
void check_syn_schedule(const tcp::retry_policy& policy, std::vector<int> seconds)
{
    simulation s;
    s.config.retries = policy;
    segment_log log{s};
    auto& c = s.peer_opens();
    c.guest->mute = true;
    const auto start = s.now();
    CHECK(s.run_until([&] { return c.peer.saw_reset; }, 600s));
    std::vector<duration> sent;
    for (const auto& x : log.all)
        sent.push_back(x.when - start);
    sent.push_back(s.now() - start);
    REQUIRE(sent.size() == seconds.size());
    CHECK(log.count(wire::tcp_syn) == seconds.size() - 1);
    for (std::size_t i = 0; i < sent.size(); ++i) {
        CHECK(sent[i] >= std::chrono::seconds{seconds[i]});
        CHECK(sent[i] < std::chrono::seconds{seconds[i]} + 20ms);
    }
    CHECK(s.nothing_left());
}

} // namespace

TEST_CASE("a SYN to a silent guest goes out at 0, 1, 2, 3, 4, 5, 7 and 11 s, and the peer is reset at 19 s")
{
    check_syn_schedule({}, {0, 1, 2, 3, 4, 5, 7, 11, 19});
}

TEST_CASE("the host's sysctls change how often and when a SYN is repeated")
{
    check_syn_schedule({.syn_retries = 2, .syn_linear_timeouts = 1}, {0, 1, 2, 4, 8});
    check_syn_schedule({.syn_retries = 1, .syn_linear_timeouts = 0}, {0, 1, 3});
    check_syn_schedule({.syn_retries = 127, .syn_linear_timeouts = 0}, {0, 1, 3, 7, 15, 31, 63, 127, 247}); // 120 s at most
    check_syn_schedule({.syn_retries = 3, .syn_linear_timeouts = 127}, {0, 1, 2, 3, 4, 5, 6, 7, 8});
    check_syn_schedule({.rto_max = 2s}, {0, 1, 2, 3, 4, 5, 7, 9, 11});
}

namespace {

/// The guest's system says that a segment of ours did not get through.
void refuse_by_icmp(simulation& s, const conversation& c, icmp_cause cause, seq_number quoted)
{
    const auto& key = c.guest->key();
    icmp_error_request r{.our_mac = guest_mac, .guest_mac = s.config.net.our_mac, .offender = key.guest, .cause = cause};
    r.protocol = wire::protocol_tcp;
    r.guest = {key.remote, key.remote_port}; // the roles are exchanged: the error is about a packet of ours
    r.remote = {key.guest, key.guest_port};
    r.sequence = quoted.value();
    r.payload_length = 12;
    std::array<octet, 1514> frame;
    const auto size = icmp_error(r, frame);
    REQUIRE(size != 0);
    s.inject({frame.data(), size});
}

std::vector<icmp_cause> refusals(ip_family family)
{
    if (family == ip_family::ipv4)
        return {{3, 0}, {3, 1}, {3, 2}, {3, 3}, {3, 9}, {3, 10}, {3, 13}};
    return {{1, 0}, {1, 1}, {1, 3}, {1, 4}};
}

} // namespace

TEST_CASE("a guest that answers a SYN with an ICMP error: the peer is reset at once")
{
    for (const auto family : {ip_family::ipv4, ip_family::ipv6})
        for (const auto& cause : refusals(family)) {
            simulation s{{.v6 = family == ip_family::ipv6}};
            segment_log log{s};
            auto& c = s.peer_opens();
            c.guest->mute = true;
            s.run_for(1ms);
            REQUIRE(log.count(wire::tcp_syn) == 1);
            refuse_by_icmp(s, c, cause, log.all[0].s.seq);
            CHECK(s.run_until([&] { return c.peer.saw_reset; }, 1ms));
            CHECK(s.nothing_left());
        }
}

TEST_CASE("an ICMP error about another segment, another connection, or only an MTU, refuses nothing")
{
    simulation s;
    segment_log log{s};
    auto& c = s.peer_opens();
    c.guest->mute = true;
    s.run_for(1ms);
    const auto iss = log.all.at(0).s.seq;
    refuse_by_icmp(s, c, {3, 3}, iss + 1);
    refuse_by_icmp(s, c, {3, 3}, iss - 1);
    refuse_by_icmp(s, c, {3, 4, 1400}, iss);
    s.run_for(1ms);
    CHECK(s.dropped(drop_reason::not_for_us) == 2);
    simulation::conversation other;
    auto key = c.guest->key();
    key.remote_port = 7;
    other.guest = std::make_unique<guest_tcp>(key, link_ends{}, guest_options{}, 1);
    refuse_by_icmp(s, other, {3, 3}, iss);
    s.run_for(1ms);
    CHECK(s.dropped(drop_reason::no_flow) == 1);
    CHECK_FALSE(c.peer.saw_reset);
    CHECK(s.tcp->flow_count() == 1);
}

TEST_CASE("an ICMP error about a connection that stands is no reason to end it")
{
    for (const bool from_peer : {true, false}) {
        simulation s;
        segment_log log{s};
        peers_answer(s);
        auto& c = from_peer ? s.peer_opens() : s.guest_opens();
        REQUIRE(s.run_until([&] { return c.guest->at == stage::open; }, 1s));
        const auto iss = log.all.at(0).s.seq;
        refuse_by_icmp(s, c, {3, 3}, iss);
        refuse_by_icmp(s, c, {3, 1}, iss + 1);
        s.run_for(1ms);
        CHECK(s.dropped(drop_reason::not_for_us) == 2);
        converse_to_end(s, c, 1000, 1000);
    }
}

TEST_CASE("a closed port of the guest resets the peer at once")
{
    simulation s;
    auto& c = s.peer_opens();
    c.guest->at = stage::closed;
    CHECK(s.run_until([&] { return c.peer.saw_reset; }, 1ms));
    CHECK(s.nothing_left());
}

TEST_CASE("both open at the same time: one connection comes of it")
{
    simulation s;
    auto& c = s.peer_opens();
    c.guest->at = stage::closed;
    c.guest->connect(s.now()); // its SYN crosses ours
    CHECK(s.run_until([&] { return c.guest->at == stage::open; }, 5s));
    converse_to_end(s, c, 50'000, 50'000);
}

TEST_CASE("a peer that is gone before the guest has answered: the guest sees data and end all the same")
{
    simulation s;
    auto& c = s.peer_opens();
    c.peer.to_send = 5000;
    c.peer.finish = true;
    s.run_for(1ms);
    converse_to_end(s, c, 100, 0);
}

TEST_CASE("a path that was traced is not any more once the connection stands, at once or later")
{
    for (const bool at_once : {true, false}) {
        simulation s;
        bool traced = false;
        s.kernel.on_connect = [&](memory_socket& socket) {
            traced = socket.receives_errors; // the model's TTL is not the usual one
            return at_once ? 0 : EINPROGRESS;
        };
        auto& c = s.guest_opens();
        s.run_for(1ms);
        if (!at_once)
            s.kernel.connected(*c.peer.socket);
        REQUIRE(s.run_until([&] { return c.guest->at == stage::open; }, 1s));
        CHECK(traced);
        CHECK_FALSE(c.peer.socket->receives_errors);
    }
}

TEST_CASE("options of the SYN: ours are announced, theirs are kept")
{
    simulation s{{.mtu = 1500}};
    peers_answer(s);
    std::optional<wire::tcp_segment> syn_ack;
    s.on_segment_to_guest = [&](const wire::tcp_segment& seg, instant) {
        if (seg.has(wire::tcp_syn))
            syn_ack = seg;
    };
    guest_options without;
    without.scale = -1;
    auto& c = s.guest_opens(without);
    s.run_for(10ms);
    REQUIRE(syn_ack);
    CHECK(syn_ack->mss == 1460);
    CHECK_FALSE(syn_ack->window_scale);
    CHECK(syn_ack->window == 65535);
    CHECK(c.guest->at == stage::open);
    auto& d = s.guest_opens();
    s.run_for(10ms);
    CHECK(syn_ack->window_scale == octet{8});
    CHECK(d.guest->their_mss() == 1460);
}
