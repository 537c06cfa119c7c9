// Many flows at once: order of events, floods, and that nothing is allocated or left.

#include "daemon/translate/limits.hpp"
#include "tests/sim/scenario.hpp"

using namespace tapioca;
using namespace tapioca::test;

namespace {

/// A SYN of one more connection, without a guest behind it.
void flood(simulation& s, std::uint32_t n)
{
    octet room[most_header_octets];
    const flow_key key{ip_address::v4(203, 0, 113, static_cast<octet>(n >> 16)), s.config.net.address4.address,
                       static_cast<std::uint16_t>(80), static_cast<std::uint16_t>(1 + n % 65535), wire::protocol_tcp};
    const tcp_emission e{.seq = seq_number{n}, .ack = {}, .flags = wire::tcp_syn, .window = 0xffff, .mss_option = 1460};
    wire::virtio_net_header vnet;
    octet* end = room + sizeof room;
    const auto size = emit_tcp(end, {s.config.guest_mac, s.config.net.our_mac}, key, e, vnet);
    s.inject({end - size, size});
}

/// A datagram of one more flow of the guest.
void flood_udp(simulation& s, std::uint16_t n)
{
    octet room[most_header_octets];
    const flow_key key{ip_address::v4(203, 0, 113, 5), s.config.net.address4.address, 9, static_cast<std::uint16_t>(1000 + n),
                       wire::protocol_udp};
    wire::virtio_net_header vnet;
    octet* end = room + sizeof room;
    const auto size = emit_udp(end, {s.config.guest_mac, s.config.net.our_mac}, key, {}, vnet);
    s.inject({end - size, size});
}

} // namespace

TEST_CASE("a flood of datagrams takes its share of the descriptors and no more: TCP is served, and places become free again")
{
    simulation s{{.flows = 1024}};
    s.kernel.has_udp = true;
    s.config.datagram_sockets = limits::descriptor_shares(110, 10, 1).datagram_sockets();
    peers_answer(s);
    for (std::uint16_t n = 0; n < 500; ++n)
        flood_udp(s, n);
    s.run_for(10ms);
    CHECK(s.udp->flow_count() == 50);
    CHECK(s.dropped(drop_reason::datagram_share) == 450);
    CHECK(s.dropped(drop_reason::flow_table_full) == 0);
    for (int datagram = 0; datagram < 3; ++datagram) // together, as one run
        flood_udp(s, 700);
    s.run_for(10ms);
    CHECK(s.dropped(drop_reason::datagram_share) == 453);
    auto& c = s.guest_opens();
    CHECK(s.run_until([&] { return c.guest->at == stage::open; }, 1s));
    s.udp->expire(s.now() + 100s);
    CHECK(s.udp->flow_count() == 0);
    flood_udp(s, 1);
    s.run_for(10ms);
    CHECK(s.udp->flow_count() == 1);
    CHECK(s.dropped(drop_reason::datagram_share) == 453);
}

TEST_CASE("a turn allocates nothing, and the count would tell")
{
    const auto before = allocation_count();
    auto* one = new int{1};
    CHECK(allocation_count() == before + 1);
    delete one;

    simulation s;
    peers_answer(s);
    auto& c = s.guest_opens();
    auto& d = s.peer_opens();
    d.guest->write_and_finish(100'000, s.now());
    d.peer.finish = true;
    converse_to_end(s, c, 1'000'000, 1'000'000);
    CHECK(s.allocations == 0);
}

TEST_CASE("twenty-five conversations of both kinds over a bad link, events in random order: every octet arrives, every flow goes")
{
    for (unsigned seed = 1; seed <= 2; ++seed) {
        simulation_options o;
        o.seed = seed;
        o.shuffle_events = true;
        o.peek_offset = seed != 2;
        o.to_guest = o.from_guest = {.jitter = 100us, .loss = 0.01, .duplicates = 0.01};
        simulation s{o};
        std::mt19937 random{seed};
        s.kernel.on_connect = [&](memory_socket& socket) {
            if (random() % 2 == 0)
                return 0;
            s.after(duration{static_cast<std::int64_t>(random() % 3'000'000)}, [&s, &socket] { s.kernel.connected(socket); });
            return EINPROGRESS;
        };
        for (int i = 0; i < 25; ++i) {
            auto& c = random() % 2 == 0 ? s.guest_opens() : s.peer_opens();
            s.after(duration{static_cast<std::int64_t>(random() % 50'000'000)}, [&s, &c] {
                c.guest->write(20'000, s.now());
                c.guest->finish(s.now());
            });
            s.after(duration{static_cast<std::int64_t>(random() % 50'000'000)}, [&c] {
                c.peer.to_send = 30'000;
                c.peer.finish = true;
            });
            s.run_for(duration{static_cast<std::int64_t>(random() % 5'000'000)});
        }
        CHECK(s.run_until([&] { return s.tcp->flow_count() == 0; }, 300s));
        for (auto& c : s.conversations) {
            CHECK(c->guest->received() == 30'000);
            CHECK(c->peer.received == 20'000);
        }
        check_no_complaints(s);
        CHECK(s.nothing_left());
    }
}

TEST_CASE("a flood of SYNs fills the table and no more; who is already there is served, and places become free again")
{
    simulation s{{.flows = 256}};
    auto& c = established(s);
    s.kernel.on_connect = [](memory_socket&) { return EINPROGRESS; };
    for (std::uint32_t n = 0; n < 5000; ++n) {
        flood(s, n);
        if (n % 100 == 0) {
            c.guest->write(100, s.now());
            c.peer.to_send += 100;
            s.run_for(1ms);
        }
    }
    s.run_for(10ms);
    CHECK(s.tcp->flow_count() == 256);
    CHECK(s.dropped(drop_reason::flow_table_full) == 5000 - 255);
    CHECK(c.peer.received == 5000);
    CHECK(c.guest->received() == 5000);
    CHECK(s.kernel.open_sockets() == 256);
    for (auto& socket : s.kernel.sockets())
        if (socket.at == memory_socket::stage::connecting)
            s.kernel.connect_failed(socket, ECONNREFUSED);
    s.run_for(10ms);
    CHECK(s.tcp->flow_count() == 1);
    CHECK(s.allocations == 0);
    peers_answer(s);
    auto& d = s.guest_opens();
    CHECK(s.run_until([&] { return d.guest->at == stage::open; }, 1s));
}

TEST_CASE("a thousand peers connect in the same moment: all are served")
{
    simulation s{{.flows = 2048}};
    s.config.unanswered_flows = limits::descriptor_shares(65536, 1, 2).unanswered_flows();
    std::vector<conversation*> all;
    for (int i = 0; i < 1000; ++i) {
        auto& c = *all.emplace_back(&s.peer_opens());
        c.guest->write_and_finish(100, s.now());
        c.peer.to_send = 100;
        c.peer.finish = true;
    }
    const auto start = s.now();
    const auto served = [](auto* c) { return c->peer.received == 100 && c->guest->received() == 100; };
    CHECK(s.run_until([&] { return s.tcp->flow_count() == 0 && std::all_of(all.begin(), all.end(), served); }, 10s));
    CHECK(s.now() - start < 1s);
    CHECK(s.count(report::counter::tcp_timeouts) == 0);
    check_no_complaints(s);
    CHECK(s.nothing_left());
}

TEST_CASE("peers that the guest does not answer take the share of their rule, and leave the other rules theirs")
{
    simulation s;
    s.config.unanswered_flows = 8;
    (void)s.config.host_rules.push_back(s.config.host_rules[0]);
    std::vector<conversation*> all;
    for (int i = 0; i < 20; ++i)
        all.emplace_back(&s.peer_opens())->guest->mute = true;
    s.run_for(1ms);
    CHECK(s.tcp->flow_count() == 8);
    CHECK(s.dropped(drop_reason::unanswered_share) == 12);
    CHECK(std::count_if(all.begin(), all.end(), [](auto* c) { return c->peer.saw_reset; }) == 12);
    s.rule = 1;
    auto& other = s.peer_opens();
    CHECK(s.run_until([&] { return other.guest->at == stage::open; }, 1s));
    s.rule = 0;

    all[0]->guest->mute = false; // answers the SYN that is repeated
    all[1]->guest->mute = false;
    all[1]->guest->at = stage::closed;
    CHECK(s.run_until([&] { return all[0]->guest->at == stage::open && all[1]->peer.saw_reset; }, 2s));
    for (int i = 0; i < 3; ++i)
        s.peer_opens().guest->mute = true;
    s.run_for(1ms);
    CHECK(s.dropped(drop_reason::unanswered_share) == 13);
    CHECK(s.tcp->flow_count() == 10);
    s.run_for(30s); // the others are given up
    CHECK(s.tcp->flow_count() == 2);
    auto& last = s.peer_opens();
    CHECK(s.run_until([&] { return last.guest->at == stage::open; }, 1s));
}

TEST_CASE("what floods may take is a share of the descriptors, however few there are")
{
    using limits::descriptor_shares;
    STATIC_REQUIRE(descriptor_shares(1'048'576, 76, 1).datagram_sockets() == 524'250);
    STATIC_REQUIRE(descriptor_shares(1'048'576, 76, 4).datagram_sockets() == 131'062);
    STATIC_REQUIRE(descriptor_shares(100, 200, 1).datagram_sockets() == 0);
    STATIC_REQUIRE(descriptor_shares(1'048'576, 76, 1).unanswered_flows() == 4096);
    STATIC_REQUIRE(descriptor_shares(1'048'576, 76, 4).unanswered_flows() == 1024);
    STATIC_REQUIRE(descriptor_shares(1024, 24, 1).unanswered_flows() == 250);
    STATIC_REQUIRE(descriptor_shares(100, 200, 1).unanswered_flows() == 1);
}

TEST_CASE("three hundred connections one after the other leave nothing, also under the same name")
{
    simulation s{{.flows = 16}};
    peers_answer(s);
    for (int i = 0; i < 300; ++i) {
        auto& c = s.guest_opens();
        if (i % 3 == 2)
            s.after(1ms, [&] { c.guest->abort(s.now()); });
        else
            converse_to_end(s, c, 500, 500);
        s.run_for(2ms);
        REQUIRE(s.nothing_left());
        s.conversations.clear();
    }
}

TEST_CASE("random octets and random segments from the guest harm nobody")
{
    simulation s;
    auto& c = established(s);
    std::mt19937 random{9};
    for (int i = 0; i < 3000; ++i) {
        std::vector<octet> frame(random() % 200);
        for (auto& o : frame)
            o = static_cast<octet>(random());
        if (frame.size() > 14) { // often enough something that looks like IP
            frame[12] = random() % 2 == 0 ? 0x08 : 0x86;
            frame[13] = frame[12] == 0x08 ? 0x00 : 0xdd;
            frame[14] = frame[12] == 0x08 ? 0x45 : 0x60;
        }
        s.inject(frame);
        if (i % 16 == 0)
            s.run_for(1ms);
    }
    s.run_for(10ms);
    s.conversations[0]->guest->complaints.clear();
    converse_to_end(s, c, 1000, 1000);
}
