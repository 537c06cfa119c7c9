// Echo over a kernel in memory: who makes room for whom, and what waits where.
#include "proto/icmp/echo.hpp"
#include "proto/wire/icmp.hpp"
#include "tests/sim/scenario.hpp"
#include "tests/support/reference_network.hpp"

#include <set>

using namespace tapioca;
using namespace tapioca::test;
using report::counter;

namespace {

std::vector<octet> echo_message(octet type, std::uint16_t identifier, std::uint16_t sequence, std::size_t payload = 56)
{
    wire::icmp_header h{};
    h.type = type;
    h.identifier = identifier;
    h.sequence = sequence;
    std::vector<octet> message(sizeof h + payload, 0x5a);
    std::memcpy(message.data(), &h, sizeof h);
    h.checksum = checksum_of(ones_sum(message));
    std::memcpy(message.data(), &h, sizeof h);
    return message;
}

struct echo_world {
    explicit echo_world(std::uint32_t share = flow_budget::unlimited, std::size_t flows = 256) : s({.flows = flows})
    {
        flow_budget::shares shares;
        shares.of[static_cast<std::size_t>(flow_share::echo)] = share;
        budget = std::make_unique<flow_budget>(shares);
        s.plane->common().budget = budget.get();
        s.kernel.has_ping = true;
        s.kernel.on_datagram = [this](memory_socket& socket, const os::outgoing& out) {
            last = &socket;
            REQUIRE(out.between != nullptr);
            sent_to = out.between->to.address;
        };
    }

    /// The socket that a request of that identifier left by; null if it did not.
    memory_socket* ask(std::uint16_t identifier, const ip_address& to = remote)
    {
        const auto message = echo_message(wire::icmpv4_echo_request, identifier, 1);
        std::vector<octet> frame(most_header_octets);
        frame.insert(frame.end(), message.begin(), message.end());
        const auto headers = emit_ip(frame.data() + most_header_octets, {guest_mac, s.config.net.our_mac},
                                     s.config.net.address4.address, to, {.protocol = wire::protocol_icmp}, message.size());
        s.inject(bytes_view{frame}.subspan(most_header_octets - headers));
        last = nullptr;
        turn();
        return last;
    }

    void answer(memory_socket& socket, const ip_address& from = remote, std::uint16_t sequence = 1, std::size_t payload = 56)
    {
        s.kernel.datagram_arrives(
            socket,
            {.source = {from, 0}, .destination = {}, .octets = echo_message(wire::icmpv4_echo_reply, 9, sequence, payload)});
    }

    void turn()
    {
        s.kernel.clock += 1ms;
        for (const auto& e : s.poller.wait(s.now(), s.now()))
            s.plane->take(e, s.now());
        s.plane->process(s.tap.receive(memory_tap::most_frames), s.now());
        s.plane->end_turn(s.now());
        for (; !s.tap.to_guest.empty(); s.tap.to_guest.pop_front()) {
            const auto p = classify(s.tap.to_guest.front().octets);
            REQUIRE(p);
            wire::icmp_header h;
            std::memcpy(&h, p->l4.data(), sizeof h);
            if (h.type == wire::icmpv4_echo_reply)
                replies.push_back(h.identifier);
            else
                errors.push_back(h.code);
        }
    }

    static constexpr auto remote = ip_address::v4(203, 0, 113, 9);
    simulation s;
    std::unique_ptr<flow_budget> budget;
    memory_socket* last = nullptr;
    ip_address sent_to;
    std::vector<std::uint16_t> replies, errors; ///< identifiers, and codes
};

} // namespace

TEST_CASE("when echo has its share, the quiet flow whose last request was answered longest ago makes room")
{
    echo_world w{8};
    std::vector<memory_socket*> sockets;
    for (std::uint16_t id = 0; id < 8; ++id)
        sockets.push_back(w.ask(id));
    for (const std::size_t id : {3U, 1U, 0U, 2U, 4U, 5U}) {
        w.answer(*sockets[id]);
        w.turn();
    }
    CHECK(w.replies == std::vector<std::uint16_t>{3, 1, 0, 2, 4, 5});
    CHECK(w.ask(1) == sockets[1]); // asked again, and not answered yet: no longer quiet
    std::vector<bool> gone(8);
    std::uint16_t newcomer = 100;
    for (const std::size_t next : {3U, 0U, 2U, 4U, 5U}) { // then those that wait, the longest first
        REQUIRE(w.ask(newcomer++) != nullptr);
        CHECK(sockets[next]->closed);
    }
    for (const std::size_t next : {6U, 7U, 1U}) {
        CHECK_FALSE(sockets[next]->closed);
        REQUIRE(w.ask(newcomer++) != nullptr);
        CHECK(sockets[next]->closed);
    }
    CHECK(w.s.count(counter::echo_flows_displaced) == 8);
    CHECK(w.s.counters->ended(end_reason::displaced) == 8);
    CHECK(w.s.echo->flow_count() == 8);
    CHECK(w.s.dropped(drop_reason::flow_limit) == 0);
    CHECK(w.s.dropped(drop_reason::flow_table_full) == 0);
}

TEST_CASE("any number of pings in a row is answered, whatever fills up first")
{
    for (const auto full : {flow_share::echo, flow_share::udp, flow_share::tcp}) { // the share, the descriptors, the table
        echo_world w{full == flow_share::echo ? 4U : flow_budget::unlimited, full == flow_share::tcp ? 16U : 256U};
        if (full == flow_share::udp)
            w.s.config.datagram_sockets = 4;
        for (std::uint16_t id = 0; id < 100; ++id) {
            auto* socket = w.ask(id);
            REQUIRE(socket != nullptr);
            w.answer(*socket);
            w.turn();
        }
        CHECK(w.replies.size() == 100);
        CHECK(w.s.count(counter::echo_flows_displaced) >= 84);
    }
}

TEST_CASE("replies wait in their sockets while there is no room towards the guest")
{
    echo_world w;
    auto* socket = w.ask(7);
    REQUIRE(socket != nullptr);
    w.s.tap.full = memory_tap::when_full::says_so;
    w.s.tap.room = 0;
    for (std::uint16_t n = 0; n < 20; ++n)
        w.answer(*socket, echo_world::remote, n);
    w.turn();
    w.turn();
    CHECK(w.replies.empty());
    CHECK_FALSE(w.s.echo->has_ready()); // nobody spins
    w.s.tap.room = SIZE_MAX;
    CHECK(w.s.echo->has_ready());
    w.turn(); // without a further event
    CHECK(w.replies.size() == 20);
    CHECK_FALSE(w.s.echo->has_ready());
}

TEST_CASE("one flow with many replies leaves the turn to others")
{
    echo_world w;
    auto* many = w.ask(7);
    auto* few = w.ask(8);
    REQUIRE((many != nullptr && few != nullptr));
    for (std::uint16_t n = 0; n < 1000; ++n)
        w.answer(*many, echo_world::remote, n);
    w.answer(*few);
    w.turn();
    CHECK(w.replies.size() <= 100);
    CHECK(std::count(w.replies.begin(), w.replies.end(), 8) == 1);
    CHECK(w.s.echo->has_ready());
    for (int i = 0; i < 20; ++i)
        w.turn();
    CHECK(w.replies.size() == 1001);
}

TEST_CASE("a socket that the user bound to what is gone is replaced, unseen by the guest")
{
    for (const int error : {EINVAL, ENETUNREACH, EADDRNOTAVAIL, ENODEV}) {
        echo_world w;
        w.s.config.outbound4 = ip_address::v4(192, 0, 2, 2);
        auto* before = w.ask(7);
        REQUIRE(before != nullptr);
        w.s.kernel.send_fails = error;
        w.s.kernel.send_failures = 2; // the second is no fate of an earlier request
        auto* after = w.ask(7);
        REQUIRE(after != nullptr);
        CHECK(after != before);
        CHECK(before->closed);
        CHECK(after->local.port == 7);
        CHECK(w.errors.empty());
        w.answer(*after);
        w.turn();
        CHECK(w.replies == std::vector<std::uint16_t>{7});
        CHECK(w.s.kernel.open_sockets() == 1);
    }
}

TEST_CASE("a socket that is bound to nothing is kept, and the guest hears why its request did not leave")
{
    echo_world w;
    auto* socket = w.ask(7);
    w.s.kernel.send_fails = ENETUNREACH;
    w.s.kernel.send_failures = 2;
    CHECK(w.ask(7) == nullptr);
    CHECK(w.errors == std::vector<std::uint16_t>{0}); // network unreachable
    CHECK(w.ask(7) == socket);
}

TEST_CASE("an address that does not come back ends the flow, and the next request begins another")
{
    echo_world w;
    w.s.config.outbound4 = ip_address::v4(192, 0, 2, 2);
    REQUIRE(w.ask(7) != nullptr);
    w.s.kernel.send_fails = EINVAL;
    w.s.kernel.send_failures = 1000;
    w.s.kernel.bind_fails = EADDRNOTAVAIL;
    for (int i = 0; i < 20; ++i)
        CHECK(w.ask(7) == nullptr);
    CHECK(w.s.kernel.open_sockets() == 0);
    w.s.kernel.send_failures = w.s.kernel.bind_fails = 0;
    CHECK(w.ask(7) != nullptr);
}

TEST_CASE("what comes from others than who was asked is no reply")
{
    echo_world w;
    auto* socket = w.ask(7);
    REQUIRE(socket != nullptr);
    CHECK(w.sent_to == echo_world::remote);
    w.answer(*socket, ip_address::v4(203, 0, 113, 66));
    w.turn();
    CHECK(w.replies.empty());
    CHECK(w.s.count(counter::echo_strays) == 1);
}
