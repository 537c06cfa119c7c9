#include "tests/sim/scenario.hpp"

using namespace tapioca;
using namespace tapioca::test;

namespace {

os::queued_error ttl_exceeded()
{
    os::queued_error e;
    e.error = EHOSTUNREACH;
    e.origin = 2;
    e.type = 11;
    e.offender = ip_address::v4(198, 51, 100, 1);
    return e;
}

/// An ACK of `octets` more of what the guest got, with the window field `window`.
void acknowledge(conversation& c, std::int64_t octets, std::uint16_t window)
{
    c.guest->mute = false;
    c.guest->forge({.ack_offset = octets});
    c.guest->mute = true;
    auto& frame = c.guest->output.back().octets;
    const be16 field{window};
    std::memcpy(frame.data() + sizeof(wire::ethernet_header) + sizeof(wire::ipv4_header) + offsetof(wire::tcp_header, window),
                &field, sizeof field);
}

} // namespace

TEST_CASE("an event with a soft error, data and the end of the stream: all of it counts")
{
    simulation s;
    auto& c = established(s);
    c.peer.socket->error_queue.push_back(ttl_exceeded());
    c.peer.to_send = 100;
    c.peer.finish = true;
    CHECK(s.run_until([&] { return c.guest->fin_received; }, 100ms));
    CHECK(c.guest->received() == 100);
}

TEST_CASE("a router's error ends the attempt to connect: the guest hears of it once, and nothing is left")
{
    simulation s;
    auto& c = s.guest_opens();
    s.run_for(1ms);
    REQUIRE(c.peer.socket != nullptr);
    c.peer.socket->error_queue.push_back(ttl_exceeded());
    s.kernel.connect_failed(*c.peer.socket, EHOSTUNREACH);
    s.run_for(1ms);
    CHECK(s.count(report::counter::icmp_errors_to_guest) == 1);
    CHECK(s.nothing_left());
}

TEST_CASE("who reported an error about the guest's SYN has the address by which the guest knows him")
{
    const auto mapped = ip_address::v4(192, 0, 2, 53), resolver = ip_address::v4(198, 51, 100, 53);
    const auto router = ip_address::v4(198, 51, 100, 1);
    for (const bool by_mapping : {true, false})
        for (const auto who : {0, 1, 2}) {
            simulation s;
            if (by_mapping) {
                s.config.address_map.names4.forwarded.push_back(mapped);
                s.config.address_map.names4.resolvers.push_back(resolver);
            }
            const auto& c = s.guest_opens_to(by_mapping ? endpoint{mapped, 53} : endpoint{resolver, 53});
            s.run_for(1ms);
            auto* socket = s.kernel.find(s.kernel.newest().fd);
            REQUIRE(socket != nullptr);
            REQUIRE(socket->remote == endpoint{resolver, 53});
            auto error = ttl_exceeded();
            error.offender = who == 0 ? router : who == 1 ? resolver : s.config.address_map.guest4;
            socket->error_queue.push_back(error);
            s.kernel.connect_failed(*socket, EHOSTUNREACH);
            ip_address seen;
            s.on_other_to_guest = [&](const packet& p) { seen = p.source; };
            s.run_for(1ms);
            CHECK(seen == (who == 0 ? router : who == 1 ? c.guest->key().remote : s.config.address_map.our_tap4));
        }
}

TEST_CASE("a guest that takes back window after the FIN: what is repeated goes on with each ACK")
{
    simulation s;
    auto& c = established(s);
    segment_log log{s};
    c.guest->mute = true;
    c.peer.to_send = 5000;
    c.peer.finish = true;
    s.run_for(10ms);
    REQUIRE(log.all.back().s.has(wire::tcp_fin));
    acknowledge(c, 0, 8); // times 128
    s.run_for(3s);        // all of it is sent again, as far as the window goes
    log.all.clear();
    acknowledge(c, 1024, 8);
    s.run_for(5ms);
    REQUIRE(log.all.size() == 1);
    CHECK(log.all.front().s.payload.size() == 1024);
}

TEST_CASE("urgent data of the peer: what stands behind it arrives, too, and the end")
{
    for (const bool peek_offset : {true, false}) {
        simulation s{{.peek_offset = peek_offset}};
        auto& c = established(s);
        c.peer.socket->urgent_at = 700;
        c.peer.to_send = 2000;
        CHECK(s.run_until([&] { return c.guest->received() == 2000; }, 100ms));
        c.peer.socket->urgent_at = 1000;
        converse_to_end(s, c, 100, 3000);
    }
}

TEST_CASE("without peek offsets no more is in flight than can be read again")
{
    simulation s{{.peek_offset = false, .to_guest = {.delay = 100ms}, .guest = {.scale = 10, .receive_buffer = 32 << 20}}};
    auto& c = established(s);
    c.peer.socket->receive_limit = 32 << 20;
    c.peer.to_send = 8 << 20;
    CHECK(s.run_until([&] { return c.guest->received() == c.peer.to_send; }, 10s));
    converse_to_end(s, c, 0, 0);
}
