#include "tests/support/listed_flows.hpp"
#include "tests/unit/daemon/translate/datagram_world.hpp"

using namespace tapioca;
using namespace tapioca::test;
using report::counter;

namespace {

constexpr auto loopback4 = datagram_world::loopback4, public4 = datagram_world::public4;
constexpr auto loopback6 = datagram_world::loopback6;
constexpr auto other4 = ip_address::v4(127, 0, 0, 5);

using heard = talker::heard;

/// What the server hears of the client's question, whose answer must come from where the client asked.
heard exchange(datagram_world& w, const talker& client, const endpoint& asked, const talker& server)
{
    client.say(asked, "question");
    w.settle();
    const auto question = server.hear();
    REQUIRE(question);
    CHECK(question->text == "question");
    server.say(question->from, "answer");
    w.settle();
    CHECK(client.hear() == heard{"answer", asked});
    return *question;
}

std::string run_of(std::size_t datagrams, std::size_t size)
{
    std::string text;
    for (std::size_t i = 0; i < datagrams; ++i)
        text += std::string(size, static_cast<char>('a' + i % 26));
    return text;
}

} // namespace

TEST_CASE("a client on the host's loopback reaches the namespace's public address and hears from the address it asked")
{
    const talker client{{loopback4, 0}}, server{{public4, 0}};
    for (const auto stack : {listen_stack::ipv4, listen_stack::dual}) {
        datagram_world w{datagram_world::rule(stack, server.here().port)};
        const auto port = w.config.host_rules[0].first;
        (void)exchange(w, client, {loopback4, port}, server);
        (void)exchange(w, client, {loopback4, port}, server);
        CHECK(w.splice.flow_count() == 1);
        (void)exchange(w, client, {other4, port}, server); // another flow: its answers come from another address
        CHECK(w.splice.flow_count() == 2);
        CHECK(w.count(counter::udp_spliced) == 6);
        CHECK(w.count(counter::udp_splices_opened) == 2);
        CHECK(w.udp.flow_count() == 0);
    }
}

TEST_CASE("in IPv6, a namespace without a public address is reached on its loopback")
{
    const talker client{{loopback6, 0}}, server{{loopback6, 0}};
    datagram_world w{datagram_world::rule(listen_stack::dual, server.here().port)};
    (void)exchange(w, client, {loopback6, w.config.host_rules[0].first}, server);
    CHECK(w.splice.flow_count() == 1);
}

TEST_CASE("the host's loopback leads to the same address of the namespace's, if asked for")
{
    const talker client{{loopback4, 0}}, server{{other4, 0}};
    datagram_world w{datagram_world::rule(listen_stack::ipv4, server.here().port)};
    w.config.host_loopback_to_namespace = true;
    (void)exchange(w, client, {other4, w.config.host_rules[0].first}, server);
}

TEST_CASE("a client on the namespace's loopback reaches the same address of the host's")
{
    const talker client{{loopback4, 0}}, server{{other4, 0}};
    datagram_world w{{}, datagram_world::rule(listen_stack::dual, server.here().port)};
    (void)exchange(w, client, {other4, w.config.guest_rules[0].first}, server);
}

TEST_CASE("from the namespace, both ends must be loopback addresses")
{
    const talker server{{loopback4, 0}};
    datagram_world w{{}, datagram_world::rule(listen_stack::dual, server.here().port)};
    const listener_name through{rule_side::guest, 0, w.config.guest_rules[0].first, wire::protocol_udp};
    os::incoming in{.length = 0, .source = {loopback4, 1000}, .destination = public4, .local = ip_address::v4(192, 0, 2, 9)};
    const bytes_view nothing;
    w.splice.from_listener(through, {&in, 1}, {&nothing, 1}, w.now);
    in.local = loopback4;
    in.source.address = ip_address::v4(192, 0, 2, 9);
    w.splice.from_listener(through, {&in, 1}, {&nothing, 1}, w.now);
    CHECK(w.dropped(drop_reason::no_translation) == 2);
    CHECK(w.splice.flow_count() == 0);
}

TEST_CASE("what goes past the tap: all of the namespace's loopback, of the host's what no option or target forbids")
{
    datagram_world w{datagram_world::rule(listen_stack::dual, 9), datagram_world::rule(listen_stack::dual, 9)};
    const listener_name host{rule_side::host}, guest{rule_side::guest};
    const auto takes = [&](const listener_name& through, const endpoint& peer) {
        return way_of(w.config, w.ctx.arrival_at(through, peer)) == flow_way::bypass;
    };
    CHECK(takes(host, {loopback4, 1000}));
    CHECK(takes(host, {other4, 1000}));
    CHECK(takes(host, {loopback6, 1000}));
    CHECK_FALSE(takes(host, {ip_address::v4(192, 0, 2, 9), 1000}));
    w.config.host_rules[0].target = public4;
    CHECK_FALSE(takes(host, {loopback4, 1000}));
    w.config.host_rules[0].target = {};
    w.config.splice = false;
    CHECK_FALSE(takes(host, {loopback4, 1000}));
    CHECK(takes(guest, {loopback4, 1000}));
}

TEST_CASE("a spliced flow takes one of the sockets that datagrams may have, and gives it back")
{
    const talker client{{loopback4, 0}}, other{{loopback4, 0}}, server{{public4, 0}};
    datagram_world w{datagram_world::rule(listen_stack::ipv4, server.here().port)};
    w.config.datagram_sockets = 1;
    const endpoint asked{loopback4, w.config.host_rules[0].first};
    (void)exchange(w, client, asked, server);
    other.say(asked, "question");
    w.settle();
    CHECK(w.splice.flow_count() == 1);
    CHECK(w.dropped(drop_reason::datagram_share) == 1);
    CHECK_FALSE(server.hear());
    w.splice.expire(w.now + std::chrono::hours{2});
    CHECK(w.splice.flow_count() == 0);
    CHECK(w.counters->ended(end_reason::idle) == 1);
    (void)exchange(w, other, asked, server);
}

TEST_CASE("spliced flows have a limit, and what ends makes room")
{
    flow_budget::shares shares;
    shares.of[static_cast<std::size_t>(flow_share::spliced)] = 1;
    flow_budget budget{shares};
    const talker client{{loopback4, 0}}, other{{loopback4, 0}}, server{{public4, 0}};
    datagram_world w{datagram_world::rule(listen_stack::ipv4, server.here().port)};
    w.ctx.budget = &budget;
    const endpoint asked{loopback4, w.config.host_rules[0].first};
    (void)exchange(w, client, asked, server);
    other.say(asked, "question");
    w.settle();
    CHECK(w.dropped(drop_reason::flow_limit) == 1);
    CHECK(w.ctx.datagram_sockets == 1);
    w.splice.expire(w.now + std::chrono::hours{2});
    CHECK(budget.count(flow_share::spliced) == 0);
    (void)exchange(w, other, asked, server);
}

TEST_CASE("without a tap, what is not between the loopbacks is dropped")
{
    const talker client{{loopback4, 0}};
    datagram_world w{datagram_world::rule(listen_stack::ipv4, 9)};
    w.config.splice_only = true;
    w.config.host_rules[0].target = public4;
    client.say({loopback4, w.config.host_rules[0].first}, "question");
    w.settle();
    CHECK(w.dropped(drop_reason::no_translation) == 1);
    CHECK(w.udp.flow_count() == 0);
}

TEST_CASE("while there is no socket of the namespace the datagram is lost, and the next one is not")
{
    const talker client{{loopback4, 0}}, server{{public4, 0}};
    datagram_world w{datagram_world::rule(listen_stack::ipv4, server.here().port)};
    w.sockets.exhausted = true;
    client.say({loopback4, w.config.host_rules[0].first}, "lost");
    w.settle();
    CHECK(w.dropped(drop_reason::socket_failed) == 1);
    CHECK(w.splice.flow_count() == 0);
    w.sockets.exhausted = false;
    (void)exchange(w, client, {loopback4, w.config.host_rules[0].first}, server);
}

TEST_CASE("runs of datagrams keep their boundaries both ways")
{
    const talker client{{loopback4, 0}}, server{{public4, 0}};
    datagram_world w{datagram_world::rule(listen_stack::ipv4, server.here().port)};
    const endpoint asked{loopback4, w.config.host_rules[0].first};
    const auto from = exchange(w, client, asked, server).from;
    client.say(asked, run_of(11, 700).substr(0, 7300), 700); // the last is shorter
    w.settle();
    for (std::size_t i = 0; i < 11; ++i)
        CHECK(server.hear() == heard{run_of(11, 700).substr(i * 700, i == 10 ? 300 : 700), from});
    CHECK_FALSE(server.hear());
    server.say(from, run_of(40, 1000), 1000);
    server.say(from, "");
    w.settle();
    for (std::size_t i = 0; i < 40; ++i)
        CHECK(client.hear() == heard{run_of(40, 1000).substr(i * 1000, 1000), asked});
    CHECK(client.hear() == heard{"", asked});
    CHECK(w.count(counter::udp_spliced) == 2 + 11 + 41);
}

TEST_CASE("the largest datagram passes both ways")
{
    const talker client{{loopback4, 0}}, server{{public4, 0}};
    datagram_world w{datagram_world::rule(listen_stack::ipv4, server.here().port)};
    const endpoint asked{loopback4, w.config.host_rules[0].first};
    const auto from = exchange(w, client, asked, server).from;
    const std::string large(65507, 'x');
    client.say(asked, large);
    w.settle();
    CHECK(server.hear() == heard{large, from});
    server.say(from, large);
    w.settle();
    CHECK(client.hear() == heard{large, asked});
}

TEST_CASE("a server that is not there does not end the flow")
{
    const talker client{{loopback4, 0}};
    auto server = std::make_unique<talker>(endpoint{public4, 0});
    const auto at = server->here();
    datagram_world w{datagram_world::rule(listen_stack::ipv4, at.port)};
    const endpoint asked{loopback4, w.config.host_rules[0].first};
    server.reset();
    for (int i = 0; i < 5; ++i) {
        client.say(asked, "question");
        w.settle();
    }
    CHECK(w.splice.flow_count() == 1);
    server = std::make_unique<talker>(at);
    (void)exchange(w, client, asked, *server);
    CHECK(w.dropped(drop_reason::send_failed) == 0);
}

TEST_CASE("datagrams of others from before the connect are not passed on")
{
    const talker client{{loopback4, 0}}, server{{public4, 0}}, stranger{{public4, 0}};
    datagram_world w{datagram_world::rule(listen_stack::ipv4, server.here().port)};
    const endpoint asked{loopback4, w.config.host_rules[0].first};
    auto prepared = os::udp_socket(ip_family::ipv4);
    REQUIRE(os::bind(prepared->get(), {public4, 0}).has_value());
    stranger.say(os::local_endpoint(prepared->get()).value(), "not for you");
    w.sockets.prepared.push_back(std::move(*prepared));
    (void)exchange(w, client, asked, server);
    CHECK(w.dropped(drop_reason::no_flow) == 1);
    CHECK_FALSE(client.hear());
}

TEST_CASE("clients are kept apart, and flows end with their time")
{
    const talker server{{public4, 0}};
    datagram_world w{datagram_world::rule(listen_stack::ipv4, server.here().port)};
    const endpoint asked{loopback4, w.config.host_rules[0].first};
    std::deque<talker> clients;
    for (int i = 0; i < 100; ++i) {
        clients.emplace_back(endpoint{loopback4, 0});
        clients.back().say(asked, std::to_string(i));
    }
    w.settle();
    while (const auto question = server.hear())
        server.say(question->from, "to " + question->text);
    w.settle();
    for (int i = 0; i < 100; ++i)
        CHECK(clients[static_cast<std::size_t>(i)].hear() == heard{"to " + std::to_string(i), asked});
    (void)exchange(w, clients[0], asked, server); // they converse now
    CHECK(w.splice.flow_count() == 100);
    w.pass(w.config.udp_timeout + std::chrono::seconds{1});
    CHECK(w.splice.flow_count() == 1);
    w.pass(w.config.udp_stream_timeout);
    CHECK(w.splice.flow_count() == 0);
    CHECK(w.count(counter::udp_splices_closed) == 100);
}

TEST_CASE("a full table refuses new flows and serves the old ones")
{
    const talker first{{loopback4, 0}}, second{{loopback4, 0}}, third{{loopback4, 0}}, server{{public4, 0}};
    datagram_world w{datagram_world::rule(listen_stack::ipv4, server.here().port), {}, 2};
    const endpoint asked{loopback4, w.config.host_rules[0].first};
    (void)exchange(w, first, asked, server);
    (void)exchange(w, second, asked, server);
    third.say(asked, "question");
    w.settle();
    CHECK(w.dropped(drop_reason::flow_table_full) == 1);
    CHECK_FALSE(server.hear());
    (void)exchange(w, first, asked, server);
}

TEST_CASE("flows of datagrams past the tap are listed with both ends, those of each side apart, and end on request")
{
    const talker client{{loopback4, 0}}, server{{loopback4, 0}};
    datagram_world w{{}, datagram_world::rule(listen_stack::dual, server.here().port)};
    const endpoint asked{loopback4, w.config.guest_rules[0].first};
    (void)exchange(w, client, asked, server);
    const auto seen = listed_flows(w.plane);
    REQUIRE(seen.size() == 1);
    CHECK((seen[0].head.kind == flow_kind::udp_splice && !seen[0].head.from_peer() && seen[0].head.rule == 0));
    CHECK(seen[0].key == flow_key{loopback4, loopback4, server.here().port, client.here().port, wire::protocol_udp});

    const os::incoming in{.source = client.here(), .destination = loopback4, .local = loopback4};
    const bytes_view nothing;
    const auto port = w.config.guest_rules[0].first;
    const auto before = w.splice.flow_count();
    w.splice.from_listener({rule_side::guest, 0, port, wire::protocol_udp}, {&in, 1}, {&nothing, 1}, w.now);
    CHECK(w.splice.flow_count() == before); // the same flow
    w.splice.from_listener({rule_side::host, 0, port, wire::protocol_udp}, {&in, 1}, {&nothing, 1}, w.now);
    CHECK(w.splice.flow_count() == before + 1); // one asked on the other side, with the same key

    CHECK(w.plane.close(flow_kind::udp_splice, seen[0].id, end_reason::on_request, w.now));
    CHECK_FALSE(w.plane.close(flow_kind::udp_splice, seen[0].id, end_reason::on_request, w.now));
    CHECK(w.splice.flow_count() == before);
}
