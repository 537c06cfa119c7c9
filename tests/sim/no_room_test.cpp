// What each producer of frames does when the back-end has no room at all: data and acknowledgments wait where they are, answers
// that have no place to wait are lost, and nothing is counted that did not leave.
#include "proto/responder/arp.hpp"
#include "proto/wire/icmp.hpp"
#include "tests/sim/scenario.hpp"
#include "tests/support/reference_network.hpp"

#include <cerrno>

using namespace tapioca;
using namespace tapioca::test;
using report::counter;

namespace {

/// A segment of no connection, which a reset answers.
void stray(simulation& s)
{
    const flow_key reversed{ip_address::v4(203, 0, 113, 9), s.config.net.address4.address, std::uint16_t{80},
                            std::uint16_t{43'001}, wire::protocol_tcp};
    std::vector<octet> frame(most_header_octets);
    wire::virtio_net_header vnet;
    const tcp_emission e{.seq = seq_number{5000}, .ack = seq_number{1}, .flags = wire::tcp_ack};
    const auto size = emit_tcp(frame.data() + frame.size(), {guest_mac, s.config.net.our_mac}, reversed, e, vnet);
    s.inject(bytes_view{frame}.last(size));
    s.run_for(1ms);
}

/// The guest asks for our address.
void ask_who_has(simulation& s)
{
    auto guest = s.config.net;
    guest.our_mac = guest_mac;
    guest.our_address4 = s.config.net.address4.address;
    guest.address4.address = s.config.net.our_address4;
    std::array<octet, 64> frame{};
    const auto size = arp_request(guest, frame);
    REQUIRE(size != 0);
    s.inject(bytes_view{frame}.first(size));
    s.run_for(1ms);
}

} // namespace

TEST_CASE("without room acknowledgments wait, nobody spins, and they leave unasked when there is room")
{
    simulation s;
    auto& c = established(s);
    s.tap.closed = true;
    c.guest->write(1000, s.now());
    s.run_for(20ms);
    CHECK(c.peer.received == 1000);
    CHECK(c.guest->acknowledged() == 0);
    CHECK_FALSE(s.plane->has_ready());
    s.tap.closed = false;
    CHECK(s.plane->has_ready());
    s.run_for(1ms); // less than any timer of the guest
    CHECK(c.guest->acknowledged() == 1000);
    CHECK_FALSE(s.plane->has_ready());
    converse_to_end(s, c, 10'000, 10'000);
}

TEST_CASE("an acknowledgment that an interface refuses although there is room is lost like any other, and nobody spins")
{
    simulation s;
    auto& c = established(s);
    s.tap.refusals = 1;
    c.guest->write(1000, s.now());
    s.run_for(20ms);
    CHECK(s.tap.refusals == 0);
    CHECK(c.guest->acknowledged() == 0);
    CHECK_FALSE(s.plane->has_ready());
    CHECK(s.run_until([&] { return c.guest->acknowledged() == 1000; })); // the guest asks again
    converse_to_end(s, c, 10'000, 10'000);
}

TEST_CASE("without room the peer's data waits in its socket, and the ends of both streams arrive when there is some")
{
    simulation s;
    auto& c = established(s);
    s.tap.closed = true;
    c.peer.to_send = 100'000;
    c.peer.finish = true;
    s.run_for(60s);
    CHECK(c.guest->received() == 0);
    CHECK(s.count(counter::tcp_timeouts) == 0);
    s.tap.closed = false;
    converse_to_end(s, c, 1000, 0);
}

TEST_CASE("a connection that a peer opens while there is no room is there when there is some")
{
    simulation s;
    s.tap.closed = true;
    auto& c = s.peer_opens();
    s.run_for(500ms);
    CHECK(c.guest->at != stage::open);
    s.tap.closed = false;
    CHECK(s.run_until([&] { return c.guest->at == stage::open; }, 5s)); // the SYN is repeated
    converse_to_end(s, c, 1000, 1000);
}

TEST_CASE("answers that find no room are not counted as sent, and the next ones are")
{
    simulation s;
    for (const bool closed : {true, false}) {
        s.tap.closed = closed;
        stray(s);
        ask_who_has(s);
        s.plane->advertise_router();
        for (const auto c : {counter::tcp_resets_to_guest, counter::arp_answers, counter::router_advertisements}) {
            INFO("counter " << static_cast<int>(c));
            CHECK(s.count(c) == (closed ? 0 : 1));
        }
    }
}

TEST_CASE("a reset towards the guest that finds no room is given to who asks later")
{
    simulation s;
    auto& c = established(s);
    s.tap.closed = true;
    s.kernel.peer_resets(*c.peer.socket);
    s.run_for(10ms);
    CHECK(s.count(counter::tcp_resets_to_guest) == 0);
    s.tap.closed = false;
    c.guest->write(100, s.now());
    CHECK(s.run_until([&] { return c.guest->at == stage::reset; }, 5s));
    CHECK(s.nothing_left());
}

TEST_CASE("an ICMP error that finds no room is not counted, and the guest that tries again has one")
{
    simulation s;
    for (const bool closed : {true, false}) {
        auto& c = s.guest_opens();
        s.run_for(1ms);
        REQUIRE(c.peer.socket != nullptr);
        s.tap.closed = closed;
        s.kernel.connect_failed(*c.peer.socket, EHOSTUNREACH);
        s.run_for(1ms);
        CHECK(s.count(counter::icmp_errors_to_guest) == (closed ? 0 : 1));
        CHECK(s.count(counter::tcp_connect_failed) == (closed ? 1 : 2));
    }
}
