// How spliced connections begin, and how they are refused.

#include "tests/support/listed_flows.hpp"
#include "tests/unit/daemon/translate/splice_rig.hpp"

#include <linux/tcp.h> // its tcp_info counts segments, that of netinet/tcp.h does not
#include <netinet/in.h>

using namespace tapioca;
using namespace tapioca::test;
using report::counter;

namespace {

/// How many segments the server has received.
std::uint32_t segments_at(const stream_end& server)
{
    tcp_info info{};
    socklen_t length = sizeof info;
    REQUIRE(::getsockopt(server.fd.get(), IPPROTO_TCP, TCP_INFO, &info, &length) == 0);
    return info.tcpi_segs_in;
}

/// What a client has done may reach the translator a little later on a busy machine.
template <class Condition>
bool in_one_of_many_tries(Condition condition)
{
    for (int i = 0; i < 50; ++i)
        if (condition())
            return true;
    return false;
}

} // namespace

TEST_CASE("who connects to a port where nobody listens is reset")
{
    const descriptor_balance balance;
    splice_rig rig;
    rig.stop_serving();
    auto client = rig.client();
    client.send(10);
    REQUIRE(rig.turns_until([&] {
        client.receive(10);
        return client.error != 0;
    }));
    CHECK(client.error == ECONNRESET);
    CHECK(rig.count(counter::spliced_connect_failed) == 1);
    CHECK(rig.splice.flow_count() == 0);
}

TEST_CASE("beyond the limit a client is reset, and served when another has gone")
{
    const descriptor_balance balance;
    flow_budget::shares shares;
    shares.of[static_cast<std::size_t>(flow_share::spliced)] = 1;
    flow_budget budget{shares};
    splice_rig rig;
    rig.limit_by(budget);
    auto ends = rig.pair();
    auto refused = rig.client();
    REQUIRE(rig.turns_until([&] {
        refused.receive(1);
        return refused.error != 0;
    }));
    CHECK(refused.error == ECONNRESET);
    CHECK(rig.dropped(drop_reason::flow_limit) == 1);
    ends.client.reset();
    REQUIRE(rig.turns_until([&] { return rig.splice.flow_count() == 0; }));
    CHECK(rig.ended(end_reason::reset_by_peer) == 1);
    CHECK(budget.count(flow_share::spliced) == 0);
    (void)rig.pair();
}

TEST_CASE("a client who ends at once, or says nothing, has a connection like others")
{
    const descriptor_balance balance;
    splice_rig rig;
    auto client = rig.client();
    SECTION("it ends at once")
    {
        client.end();
        auto server = rig.server();
        REQUIRE(rig.turns_until([&] {
            server.receive(1);
            return server.ended;
        }));
        CHECK(server.error == 0);
        server.send(10);
        server.end();
    }
    SECTION("the server speaks first")
    {
        auto server = rig.server();
        server.send(10);
        server.end();
        REQUIRE(rig.turns_until([&] {
            client.receive(100);
            return client.ended;
        }));
        client.end();
    }
    REQUIRE(rig.turns_until([&] {
        client.receive(100);
        return client.ended && rig.splice.flow_count() == 0;
    }));
    CHECK(client.received == 10);
    CHECK(client.error == 0);
}

TEST_CASE("what a client has said already goes with the end of the handshake, without a segment of its own")
{
    const descriptor_balance balance;
    splice_rig rig;
    CHECK(in_one_of_many_tries([&] {
        auto client = rig.client();
        client.send(1);
        return segments_at(rig.server()) == 2; // the opening one, and the octet
    }));
}

TEST_CASE("what a client has said already comes with its connection")
{
    const descriptor_balance balance;
    const std::size_t octets = GENERATE(1U, 16384U, 200000U);
    splice_rig rig{GENERATE(ip_family::ipv4, ip_family::ipv6), GENERATE(rule_side::host, rule_side::guest)};
    auto client = rig.client();
    REQUIRE(client.send(octets) == octets);
    auto server = rig.server();
    REQUIRE(rig.turns_until([&] {
        server.receive_all();
        return server.received == octets;
    }));
    CHECK(server.equal);
    CHECK(rig.count(counter::spliced_octets_to_guest) + rig.count(counter::spliced_octets_to_host) == octets);
}

TEST_CASE("a client who is silent is not waited for: the handshake ends by itself")
{
    const descriptor_balance balance;
    splice_rig rig;
    const auto client = rig.client();
    const auto server = rig.server();
    int waits = -1;
    socklen_t length = sizeof waits;
    REQUIRE(::getsockopt(rig.sockets.last, IPPROTO_TCP, TCP_DEFER_ACCEPT, &waits, &length) == 0);
    CHECK(waits == 0);
}

TEST_CASE("for a client who is gone before it was served no server is asked")
{
    const descriptor_balance balance;
    splice_rig rig;
    CHECK(in_one_of_many_tries([&] {
        const auto closed = rig.count(counter::spliced_flows_closed);
        rig.client().reset();
        REQUIRE(rig.turns_until([&] { return rig.count(counter::spliced_flows_closed) > closed; }));
        return !rig.accept();
    }));
}

TEST_CASE("a connection waits for a socket of the namespace, but not for long")
{
    const descriptor_balance balance;
    splice_rig rig;
    rig.sockets.left = 0;
    auto first = rig.client(), second = rig.client(), gone = rig.client();
    first.send(10);
    rig.turns(3);
    CHECK(rig.splice.flow_count() == 3);
    CHECK(rig.splice.next_deadline() != instant::max());
    gone.reset();
    rig.turns(2);
    CHECK(rig.splice.flow_count() == 2);

    rig.sockets.left = 1;
    rig.splice.sockets_refilled(os::now());
    auto server = rig.server();
    REQUIRE(rig.turns_until([&] {
        server.receive(100);
        return server.received == 10;
    }));
    rig.splice.expire(os::now());
    CHECK(rig.splice.flow_count() == 2);
    rig.splice.expire(os::now() + tcp_splice::socket_patience);
    CHECK(rig.splice.flow_count() == 1);
    second.receive(1);
    CHECK(second.error == ECONNRESET);
    CHECK(rig.splice.next_deadline() == instant::max());
}

TEST_CASE("who waits longest for a socket of the namespace gets the next one")
{
    const descriptor_balance balance;
    splice_rig rig;
    rig.sockets.left = 0;
    auto first = rig.client();
    rig.turns(3);
    REQUIRE(rig.splice.flow_count() == 1);
    rig.sockets.left = 1;
    auto second = rig.client();
    rig.turns(3);
    first.send(10);
    second.send(20);
    auto server = rig.server();
    REQUIRE(rig.turns_until([&] {
        server.receive(100);
        return server.received != 0;
    }));
    CHECK(server.received == 10);
}

TEST_CASE("from the namespace to the host: the same loopback address, and nothing that is not on loopback")
{
    const descriptor_balance balance;
    splice_rig rig{ip_family::ipv4, rule_side::guest};
    SECTION("the address that the client connected to")
    {
        auto client = rig.client(ip_address::v4(127, 3, 2, 1));
        const auto server = rig.server();
        CHECK(os::local_endpoint(server.fd.get()).value().address == ip_address::v4(127, 3, 2, 1));
        client.send(10);
        rig.turns(3);
        CHECK(rig.count(counter::spliced_octets_to_host) == 10);
    }
    SECTION("a peer who is not on loopback")
    {
        rig.pretend = true;
        auto client = rig.client();
        REQUIRE(rig.turns_until([&] {
            client.receive(1);
            return client.error != 0;
        }));
        CHECK(client.error == ECONNRESET);
        CHECK(rig.count(counter::splice_refused) == 1);
    }
    SECTION("no descriptor is left for the host's socket")
    {
        auto client = rig.client();
        {
            const no_more_descriptors limit{1}; // one for the accepted connection
            REQUIRE(rig.turns_until([&] {
                client.receive(1);
                return client.error != 0;
            }));
        }
        CHECK(client.error == ECONNRESET);
        CHECK(rig.splice.flow_count() == 0);
    }
}

TEST_CASE("the host's loopback leads to the namespace's public address, or to the same loopback address")
{
    splice_rig rig;
    rig.config().host_loopback_to_namespace = GENERATE(false, true);
    const auto to = ip_address::v4(127, 3, 2, 1);
    const auto client = rig.client(to);
    const auto server = rig.server();
    const auto reached = os::local_endpoint(server.fd.get()).value().address;
    CHECK(reached == (rig.config().host_loopback_to_namespace ? to : ip_address::v4(127, 0, 0, 1)));
}

TEST_CASE("what is spliced")
{
    plane_config config;
    config.splice = true;
    forward_rule rule;
    constexpr auto host = rule_side::host, guest = rule_side::guest;
    const auto is_spliced = [](const forwarding& f, const forward_rule& r, rule_side side, const endpoint& peer) {
        return way_of(f, {side, r, 0, peer, {}}) == flow_way::bypass;
    };
    const endpoint near{ip_address::v4(127, 0, 0, 5), 1}, far{ip_address::v4(192, 0, 2, 1), 1};
    CHECK(is_spliced(config, rule, host, near));
    CHECK(is_spliced(config, rule, host, {splice_rig::loopback(ip_family::ipv6), 1}));
    CHECK_FALSE(is_spliced(config, rule, host, far));
    rule.target = ip_address::v4(10, 0, 0, 1);
    CHECK_FALSE(is_spliced(config, rule, host, near));
    CHECK(is_spliced(config, rule, guest, near));
    config.splice = false;
    CHECK_FALSE(is_spliced(config, {}, host, near));
    CHECK(is_spliced(config, {}, guest, far)); // to be refused there
}

TEST_CASE("a connection past the tap is listed with the side that asked, and reset on both when it is ended on request")
{
    const auto side = GENERATE(rule_side::host, rule_side::guest);
    splice_rig rig{ip_family::ipv4, side};
    auto ends = rig.pair();
    const auto seen = listed_flows(rig.plane());
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].head.kind == flow_kind::tcp_splice);
    CHECK(seen[0].head.from_peer() == (side == rule_side::host));
    CHECK(seen[0].head.rule == 0);
    CHECK(rig.plane().close(seen[0].head.kind, seen[0].id, end_reason::on_request, os::now()));
    CHECK(rig.ended(end_reason::on_request) == 1);
    CHECK(listed_flows(rig.plane()).empty());
    for (auto* end : {&ends.client, &ends.server}) {
        end->receive_all();
        CHECK(end->error == ECONNRESET);
    }
}
