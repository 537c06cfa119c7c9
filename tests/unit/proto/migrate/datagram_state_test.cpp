#include "proto/migrate/datagram_state.hpp"
#include "proto/wire/dns.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <array>
#include <vector>

using namespace tapioca;
using namespace tapioca::migrate;
using namespace std::chrono_literals;

namespace {

constexpr auto guest4 = ip_address::v4(10, 0, 0, 2), remote4 = ip_address::v4(192, 0, 2, 3);
constexpr auto guest6 = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 2}),
               remote6 = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 3});
constexpr auto group4 = ip_address::v4(224, 0, 0, 1);

udp_socket_state socket_of_guest()
{
    udp_socket_state s;
    s.key = {guest4, {}, 40000, 1, wire::protocol_udp};
    s.ttl = 63;
    s.flows = 2;
    return s;
}

udp_socket_state listening_socket()
{
    udp_socket_state s;
    s.listens = true;
    s.through = {0, 7, wire::protocol_udp, 8000};
    s.flows = 1;
    return s;
}

udp_flow_state udp_sample()
{
    udp_flow_state s;
    s.head.key = {guest4, ip_address::v4(10, 0, 0, 1), 40000, 5353, wire::protocol_udp};
    s.head.origin = flow_origin::peer;
    s.head.rule = 7;
    s.renamed = true;
    s.peer = {remote4, 53};
    s.called = ip_address::v4(192, 0, 2, 2);
    s.largest_segment = 1400;
    s.idle = 12345ms;
    s.counts = {3, 255, 1};
    s.octets = {1ULL << 40, 7};
    return s;
}

echo_flow_state echo_sample()
{
    echo_flow_state s;
    s.head.key = {guest6, remote6, 4711, 0, wire::protocol_icmpv6};
    s.ttl = 64, s.tos = 8;
    s.answered = true;
    s.idle = 3s;
    s.octets = {56, 112};
    return s;
}

template <std::size_t Octets, class State>
std::array<octet, Octets> record_of(const State& s)
{
    std::array<octet, Octets> octets{};
    writer to{octets};
    write(to, s);
    REQUIRE(to.size() == octets.size());
    REQUIRE(!to.full());
    return octets;
}

auto octets_of_state(const udp_socket_state& s) { return record_of<udp_socket_octets>(s); }
auto octets_of_state(const udp_flow_state& s) { return record_of<udp_flow_octets>(s); }
auto octets_of_state(const echo_flow_state& s) { return record_of<echo_flow_octets>(s); }

auto read_as(const udp_socket_state& /*kind*/, bytes_view octets)
{
    reader from{octets};
    return read_udp_socket(from);
}
auto read_as(const udp_flow_state& /*kind*/, bytes_view octets)
{
    reader from{octets};
    return read_udp_flow(from);
}
auto read_as(const echo_flow_state& /*kind*/, bytes_view octets)
{
    reader from{octets};
    return read_echo_flow(from);
}

template <class State, class Change>
bool is_refused(State s, Change change)
{
    change(s);
    return !read_as(s, octets_of_state(s));
}

/// With another octet at that place, which no state is written with.
template <class State>
bool is_refused(const State& s, std::size_t at, octet value)
{
    auto octets = octets_of_state(s);
    octets[at] = value;
    return !read_as(s, octets);
}

} // namespace

TEST_CASE("a UDP socket is the same behind its record")
{
    const auto own = read_as(socket_of_guest(), octets_of_state(socket_of_guest()));
    REQUIRE(own);
    CHECK(!own->listens);
    CHECK(own->key == socket_of_guest().key);
    CHECK(own->ttl == 63);
    CHECK(own->flows == 2);
    const auto listening = read_as(listening_socket(), octets_of_state(listening_socket()));
    REQUIRE(listening);
    CHECK(listening->listens);
    CHECK(listening->through.rule == 7);
    CHECK(listening->through.port == 8000);
    CHECK(octets_of_state(*listening) == octets_of_state(listening_socket()));
}

TEST_CASE("a UDP flow is the same behind its record")
{
    const auto s = udp_sample();
    const auto back = read_as(s, octets_of_state(s));
    REQUIRE(back);
    CHECK(octets_of_state(*back) == octets_of_state(s));
    CHECK(back->head.key == s.head.key);
    CHECK(back->head.kind == flow_kind::udp);
    CHECK(back->head.from_peer());
    CHECK(back->head.rule == 7);
    CHECK(back->renamed);
    CHECK(back->peer == s.peer);
    CHECK(back->called == s.called);
    CHECK(back->largest_segment == 1400);
    CHECK(back->idle == 12345ms);
    CHECK(back->counts == s.counts);
    CHECK(back->octets == s.octets);
}

TEST_CASE("an echo flow is the same behind its record")
{
    const auto s = echo_sample();
    const auto back = read_as(s, octets_of_state(s));
    REQUIRE(back);
    CHECK(octets_of_state(*back) == octets_of_state(s));
    CHECK(back->head.key == s.head.key);
    CHECK(back->head.kind == flow_kind::echo);
    CHECK(!back->head.from_peer());
    CHECK(back->head.rule == flow_head::no_rule);
    CHECK(back->ttl == 64);
    CHECK(back->tos == 8);
    CHECK(back->answered);
    CHECK(back->idle == 3s);
    CHECK(back->octets == s.octets);
}

TEST_CASE("what a pseudo-connection has counted decides when it ends, in another process, too")
{
    constexpr udp_timeouts times{30s, 180s, 5s};
    constexpr instant there{1h}, here{50h};
    pseudo_connection life;
    life.on_guest(there, 2);
    life.on_peer(there, 1);
    const pseudo_connection moved{life.counted(), here - 20s};
    CHECK(moved.expiry(times, 4711) == here + 160s);
    CHECK(moved.expiry(times, 4711) - here == life.expiry(times, 4711) - there - 20s);
    CHECK(moved.converses());
}

TEST_CASE("silence longer than a record can say is the longest, and none is negative")
{
    auto s = udp_sample();
    s.idle = 24h * 1000;
    CHECK(read_as(s, octets_of_state(s))->idle == std::chrono::milliseconds{UINT32_MAX});
    s.idle = -1s;
    CHECK(read_as(s, octets_of_state(s))->idle == 0ms);
}

TEST_CASE("what no UDP socket of ours can be is refused")
{
    const auto refused = [](auto change) { return is_refused(socket_of_guest(), change); };
    CHECK(!refused([](auto&) {}));
    CHECK(!refused([](auto& s) { s.key.remote = ip_address::loopback(ip_family::ipv4); }));
    CHECK(refused([](auto& s) { s.key.remote = ip_address::loopback(ip_family::ipv6); }));
    CHECK(refused([](auto& s) { s.key.remote = remote4; }));
    CHECK(refused([](auto& s) { s.key.remote_port = 0xffff; }));
    CHECK(refused([](auto& s) { s.key.protocol = wire::protocol_tcp; }));
    CHECK(refused([](auto& s) { s.key.guest_port = 0; }));
    CHECK(refused([](auto& s) { s.key.guest = group4; }));
    CHECK(refused([](auto& s) { s.flows = 0; }));
    CHECK(!refused([](auto& s) { s.flows = most_flows_of_socket; }));
    CHECK(refused([](auto& s) { s.flows = most_flows_of_socket + 1; }));
    CHECK(is_refused(socket_of_guest(), 0, 2));

    const auto listening = [](auto change) { return is_refused(listening_socket(), change); };
    CHECK(!listening([](auto&) {}));
    CHECK(listening([](auto& s) { s.through.side = 1; }));
    CHECK(listening([](auto& s) { s.through.protocol = wire::protocol_tcp; }));
    CHECK(listening([](auto& s) { s.through.port = 0; }));
}

TEST_CASE("what no UDP flow of ours can be is refused")
{
    const auto refused = [](auto change) { return is_refused(udp_sample(), change); };
    CHECK(!refused([](auto&) {}));
    CHECK(!refused([](auto& s) { s.called = {}; }));
    CHECK(refused([](auto& s) { s.called = remote6; }));
    CHECK(refused([](auto& s) { s.head.key.protocol = wire::protocol_tcp; }));
    CHECK(refused([](auto& s) { s.head.key.guest = group4; }));
    CHECK(refused([](auto& s) { s.head.key.guest = guest6; }));
    CHECK(refused([](auto& s) { s.head.key.remote = remote6; }));
    CHECK(refused([](auto& s) { s.head.key.guest_port = 0; }));
    CHECK(refused([](auto& s) { s.head.key.remote_port = 0; }));
    CHECK(refused([](auto& s) { s.peer.address = remote6; }));
    CHECK(refused([](auto& s) { s.peer.port = 0; }));
    CHECK(is_refused(udp_sample(), 37, 2)); // origin
    CHECK(is_refused(udp_sample(), 40, 8)); // flags
}

TEST_CASE("a flow to our name service is the guest's, to its port, and no other flow has queries")
{
    const auto refused = [](auto change) {
        return is_refused(udp_sample(), [&](auto& s) {
            s.head.origin = flow_origin::guest;
            s.head.key.remote_port = 53;
            s.asks_names = s.passes_answers = true;
            s.queries = most_queries;
            change(s);
        });
    };
    CHECK(!refused([](auto&) {}));
    CHECK(refused([](auto& s) { s.head.origin = flow_origin::peer; }));
    CHECK(refused([](auto& s) { s.head.key.remote_port = 5353; }));
    CHECK(refused([](auto& s) { s.asks_names = false; }));
    CHECK(!refused([](auto& s) { s.asks_names = s.passes_answers = false, s.queries = 0; }));
    CHECK(refused([](auto& s) { s.asks_names = false, s.queries = 0; }));
    CHECK(refused([](auto& s) { ++s.queries; }));
}

TEST_CASE("a query that waits is the same behind its record, and nothing else is one")
{
    std::vector<octet> message{0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'x', 0, 0, 1, 0, 1};
    const auto read = [](bytes_view of, std::size_t most = 4096) {
        std::array<octet, 4096> octets{};
        writer to{octets};
        write(to, query_state{63, 8, of});
        reader from{to.written().first(std::min(most, to.size()))};
        const auto q = read_query(from);
        CHECK((!q || std::ranges::equal(q->message, of)));
        return q ? int{q->ttl} : 0;
    };
    CHECK(read(message) == 63);
    for (std::size_t n = 0; n < query_octets + message.size(); ++n)
        CHECK(read(message, n) == 0);
    message[2] |= 0x80; // an answer
    CHECK(read(message) == 0);
    message[2] = 1;
    message.resize(wire::usual_dns_message);
    CHECK(read(message) == 63);
    message.push_back(0);
    CHECK(read(message) == 0);
    CHECK(read(bytes_view{message}.first(11)) == 0);
}

TEST_CASE("what no echo flow of ours can be is refused")
{
    const auto refused = [](auto change) { return is_refused(echo_sample(), change); };
    CHECK(!refused([](auto&) {}));
    CHECK(!refused([](auto& s) { s.head.key = {guest4, remote4, 0, 0, wire::protocol_icmp}; }));
    CHECK(refused([](auto& s) { s.head.key.protocol = wire::protocol_icmp; }));
    CHECK(refused([](auto& s) { s.head.key.protocol = wire::protocol_udp; }));
    CHECK(refused([](auto& s) { s.head.key.guest = ip_address{}; }));
    CHECK(refused([](auto& s) { s.head.key.remote = remote4; }));
    CHECK(refused([](auto& s) { s.head.key.remote = ip_address{}; }));
    CHECK(refused([](auto& s) { s.head.key.remote_port = 1; }));
    CHECK(is_refused(echo_sample(), 39, 2)); // answered
}

TEST_CASE("records of datagrams that end early are refused")
{
    const auto all_cuts_are_refused = [](const auto& s) {
        const auto octets = octets_of_state(s);
        for (std::size_t n = 0; n < octets.size(); ++n)
            CHECK(!read_as(s, bytes_view{octets}.first(n)));
    };
    all_cuts_are_refused(socket_of_guest());
    all_cuts_are_refused(udp_sample());
    all_cuts_are_refused(echo_sample());
}
