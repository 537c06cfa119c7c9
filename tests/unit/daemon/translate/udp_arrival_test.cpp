#include "tests/unit/daemon/translate/datagram_world.hpp"

#include "proto/wire/udp.hpp"

#include <cstring>

using namespace tapioca;
using namespace tapioca::test;
using report::counter;

namespace {

constexpr auto loopback4 = datagram_world::loopback4, guest4 = datagram_world::public4;
constexpr auto gateway4 = ip_address::v4(192, 0, 2, 1);

using heard = talker::heard;

/// Everything goes over the tap; a client on the loopback is seen as the gateway.
struct tap_world : datagram_world {
    explicit tap_world(const forward_rule& host) : datagram_world(host)
    {
        config.splice = false;
        config.report_flows = true;
        config.address_map.map_host_loopback4 = gateway4;
        asked = {loopback4, config.host_rules[0].first};
    }

    /// What the guest says to the client, from the port that the rule leads to.
    void guest_says(const talker& to, std::string_view text)
    {
        std::vector<octet> l4(8 + text.size());
        const auto header = wire::make_udp({guest4, port}, {gateway4, to.here().port},
                                           {reinterpret_cast<const octet*>(text.data()), text.size()});
        std::memcpy(l4.data(), &header, sizeof header);
        std::memcpy(l4.data() + sizeof header, text.data(), text.size());
        packet p;
        p.kind = packet_kind::udp;
        p.source = guest4;
        p.destination = gateway4;
        p.source_port = port;
        p.destination_port = to.here().port;
        p.ttl = 64;
        p.l4 = l4;
        plane.take_over(p, now);
        settle();
    }

    static constexpr std::uint16_t port = 7777;
    endpoint asked;
};

} // namespace

TEST_CASE("a peer's flow answers from the address and port that were asked, and takes no socket")
{
    const talker client{{loopback4, 0}};
    tap_world w{datagram_world::rule(listen_stack::dual, tap_world::port)};
    for (int i = 0; i < 3; ++i) {
        client.say(w.asked, "question");
        w.settle();
        w.guest_says(client, "answer");
        CHECK(client.hear() == heard{"answer", w.asked});
    }
    CHECK(w.udp.flow_count() == 1);
    CHECK(w.ctx.datagram_sockets == 0);
    CHECK(w.count(counter::udp_to_guest) == 3);
    CHECK(w.count(counter::udp_from_guest) == 3);
    w.pass(std::chrono::hours{1});
    CHECK(w.udp.flow_count() == 0);
    CHECK(w.udp.port_count() == 0);
}

TEST_CASE("peers that are alike to the guest have other ports there, and each hears its own answers")
{
    const talker one{{loopback4, 0}};
    tap_world w{datagram_world::rule(listen_stack::dual, tap_world::port)};
    w.config.address_map.our_tap4 = gateway4;
    const talker other{{ip_address::v4(127, 0, 0, 9), one.here().port}};
    for (int i = 0; i < 2; ++i) {
        one.say(w.asked, "question");
        other.say(w.asked, "question");
        w.settle();
    }
    CHECK(w.udp.flow_count() == 2);
    w.guest_says(one, "answer");
    CHECK(one.hear() == heard{"answer", w.asked});
    CHECK_FALSE(other.hear());
    one.say({ip_address::v4(127, 0, 0, 3), w.asked.port}, "question"); // the answer must come from there
    w.settle();
    CHECK(w.udp.flow_count() == 3);
}

TEST_CASE("a guest that calls others from its server's port does so through the listening socket")
{
    const talker called{{loopback4, 0}};
    tap_world w{datagram_world::rule(listen_stack::dual, tap_world::port)};
    w.guest_says(called, "hello");
    const auto got = called.hear();
    REQUIRE(got);
    CHECK(got->from == w.asked);
    CHECK(w.ctx.datagram_sockets == 0);
    called.say(w.asked, "answer");
    w.settle();
    CHECK(w.udp.flow_count() == 1);
    CHECK(w.count(counter::udp_to_guest) == 1);
}

TEST_CASE("the report of a flow says where the peer was accepted")
{
    const talker client{{loopback4, 0}};
    tap_world w{datagram_world::rule(listen_stack::dual, tap_world::port)};
    client.say(w.asked, "question");
    w.settle();
    std::vector<endpoint> at;
    w.events->drain([&](const report::worker_event& e) { at.push_back(e.accepted_at); });
    CHECK(at == std::vector<endpoint>{w.asked});
}

TEST_CASE("when its listening socket is gone, a flow loses datagrams, and nothing else")
{
    const talker client{{loopback4, 0}};
    tap_world w{datagram_world::rule(listen_stack::dual, tap_world::port)};
    client.say(w.asked, "question");
    w.settle();
    w.plane.listeners().remove({rule_side::host, 0, w.asked.port, wire::protocol_udp});
    w.guest_says(client, "answer");
    CHECK_FALSE(client.hear());
    CHECK(w.dropped(drop_reason::send_failed) == 1);
    CHECK(w.udp.flow_count() == 1);
}

TEST_CASE("errors about answers through a listening socket reach the guest, and the socket goes on")
{
    tap_world w{datagram_world::rule(listen_stack::dual, tap_world::port)};
    talker hasty{{loopback4, 0}};
    hasty.say(w.asked, "question");
    w.settle();
    hasty.leave();
    w.guest_says(hasty, "answer");
    CHECK(w.count(counter::icmp_errors_to_guest) == 1);
    const talker client{{loopback4, 0}};
    client.say(w.asked, "question");
    w.settle();
    w.guest_says(client, "answer");
    CHECK(client.hear() == heard{"answer", w.asked});
}

TEST_CASE("what the guest has no port for ends a peer's flow, and only such a flow")
{
    const talker client{{loopback4, 0}};
    tap_world w{datagram_world::rule(listen_stack::dual, tap_world::port)};
    client.say(w.asked, "question");
    w.settle();
    const flow_key key{guest4, gateway4, tap_world::port, client.here().port, wire::protocol_udp};
    CHECK(w.udp.owns(key));
    w.udp.on_refused_by_guest(key, w.now);
    CHECK_FALSE(w.udp.owns(key));
    CHECK(w.counters->ended(end_reason::refused_by_guest) == 1);
    w.guest_says(client, "unasked"); // the guest's own flow now
    CHECK(w.udp.owns(key));
    w.udp.on_refused_by_guest(key, w.now);
    CHECK(w.udp.owns(key));
    CHECK(w.count(counter::udp_refused_by_guest) == 2);
}

TEST_CASE("many peers leave the guest room for flows of its own")
{
    flow_budget::shares shares;
    shares.of[static_cast<std::size_t>(flow_share::udp)] = 3;
    shares.of_peers[static_cast<std::size_t>(flow_share::udp)] = 2;
    flow_budget budget{shares};
    tap_world w{datagram_world::rule(listen_stack::dual, tap_world::port)};
    w.ctx.budget = &budget;
    const talker peers[] = {talker{{loopback4, 0}}, talker{{loopback4, 0}}, talker{{loopback4, 0}}};
    for (const auto& p : peers) {
        p.say(w.asked, "question");
        w.settle();
    }
    CHECK(w.udp.flow_count() == 2);
    CHECK(w.dropped(drop_reason::flow_limit) == 1);
    w.guest_says(peers[2], "unasked");
    CHECK(w.udp.flow_count() == 3);
    w.pass(std::chrono::hours{2});
    CHECK(w.udp.flow_count() == 0);
    CHECK(budget.count(flow_share::udp) == 0);
    peers[2].say(w.asked, "question");
    w.settle();
    CHECK(w.udp.flow_count() == 1);
}

TEST_CASE("a peer that the guest could not answer is refused and counted")
{
    const talker client{{loopback4, 0}};
    tap_world w{datagram_world::rule(listen_stack::dual, tap_world::port)};
    w.config.address_map.map_host_loopback4 = {};
    client.say(w.asked, "question");
    w.settle();
    CHECK(w.udp.flow_count() == 0);
    CHECK(w.dropped(drop_reason::no_translation) == 1);
}
