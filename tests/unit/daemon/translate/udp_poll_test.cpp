// Many datagrams at once, and flows whose datagrams come fast.
#include "tests/unit/daemon/translate/datagram_world.hpp"

#include "proto/wire/udp.hpp"

#include <cstring>

using namespace tapioca;
using namespace tapioca::test;
using report::counter;

namespace {

constexpr auto loopback4 = datagram_world::loopback4, guest4 = datagram_world::public4;
constexpr auto gateway4 = ip_address::v4(192, 0, 2, 1);
constexpr duration interval = limits::udp_poll_interval;

/// Everything goes over the tap.
struct fast_world : datagram_world {
    fast_world() : datagram_world(rule(listen_stack::dual, port))
    {
        config.splice = false;
        config.address_map.map_host_loopback4 = gateway4;
        asked = {loopback4, config.host_rules[0].first};
    }

    void begin(const talker& client)
    {
        client.say(asked, "first");
        settle();
        REQUIRE(count(counter::udp_flows_opened) - count(counter::udp_flows_closed) == udp.flow_count());
    }
    /// So many datagrams, each time that long after the others.
    void stream(const talker& client, int times, int each, duration apart)
    {
        for (; times > 0; --times) {
            for (int i = 0; i < each; ++i)
                client.say(asked, "more");
            turn();
            now += apart;
        }
    }
    [[nodiscard]] bool polls() const { return udp.next_deadline() <= now + interval; }

    static constexpr std::uint16_t port = 7777;
    endpoint asked;
};

/// Of every size, in runs that may go as one and in runs that may not.
std::string text_of(int i)
{
    const std::size_t size = i % 16 < 12 ? 100 : static_cast<std::size_t>(20 + 17 * i % 900);
    auto text = std::to_string(i) + ' ';
    text.resize(size, 'x');
    return text;
}

} // namespace

TEST_CASE("the datagrams of a fast flow wake nobody, and go to the guest all the same; when it slows down they wake us again")
{
    const talker client{{loopback4, 0}};
    fast_world w;
    w.begin(client);
    CHECK_FALSE(w.polls());
    w.stream(client, 12, 10, std::chrono::microseconds{100});
    REQUIRE(w.polls());
    CHECK(w.count(counter::udp_to_guest) <= 121);

    w.stream(client, 1, 10, {});
    CHECK(w.count(counter::udp_to_guest) == 131);
    REQUIRE(w.polls());

    client.say(w.asked, "the last");
    CHECK(w.turn() == 0);
    CHECK(w.count(counter::udp_to_guest) == 131);
    w.now += interval;
    CHECK(w.turn() == 0);
    CHECK(w.count(counter::udp_to_guest) == 132);
    CHECK(w.polls());
    for (int looks = 0; looks < 15; ++looks) {
        w.now += interval;
        CHECK(w.turn() == 0);
    }
    CHECK_FALSE(w.polls());

    client.say(w.asked, "alone");
    CHECK(w.turn() == 1);
    CHECK(w.count(counter::udp_to_guest) == 133);
}

TEST_CASE("a sender that loses its processor for a moment is still looked at, and one that slows down is not for ever")
{
    const talker client{{loopback4, 0}};
    fast_world w;
    w.begin(client);
    w.stream(client, 12, 10, std::chrono::microseconds{100});
    for (int pauses = 0; pauses < 5; ++pauses) {
        w.stream(client, 10, 0, interval);
        REQUIRE(w.polls());
        w.stream(client, 1, 10, interval);
    }
    w.stream(client, 20, 3, interval);
    CHECK_FALSE(w.polls());
    w.settle();
    CHECK(w.count(counter::udp_to_guest) == 121 + 50 + 60);
}

TEST_CASE("while there is no room towards the guest nothing is looked at, and then what has come is there")
{
    const talker client{{loopback4, 0}};
    fast_world w;
    w.begin(client);
    w.stream(client, 12, 10, std::chrono::microseconds{100});
    REQUIRE(w.polls());
    w.tap.room = false;
    w.stream(client, 50, 1, interval);
    CHECK_FALSE(w.polls());
    CHECK(w.count(counter::udp_to_guest) == 121);
    w.tap.room = true;
    CHECK(w.polls());
    CHECK(w.turn() == 0);
    CHECK(w.count(counter::udp_to_guest) == 171);
}

TEST_CASE("questions that wait for their answers are never kept waiting, however fast they are")
{
    const talker client{{loopback4, 0}};
    fast_world w;
    w.begin(client);
    for (std::uint64_t i = 0; i < 1000; ++i) {
        client.say(w.asked, "question");
        CHECK(w.turn() == 1);
        CHECK(w.count(counter::udp_to_guest) == i + 2);
        w.now += std::chrono::microseconds{2};
    }
    CHECK_FALSE(w.polls());
}

TEST_CASE("a fast flow that ends leaves nothing behind")
{
    fast_world w;
    for (int i = 0; i < 3; ++i) {
        const talker client{{loopback4, 0}};
        w.begin(client);
        w.stream(client, 12, 10, std::chrono::microseconds{100});
        REQUIRE(w.polls());
        w.pass(std::chrono::hours{1});
        CHECK(w.udp.flow_count() == 0);
        CHECK_FALSE(w.polls());
        CHECK(w.turn() == 0);
    }
}

TEST_CASE("more fast flows than are looked at: each gets its datagrams")
{
    constexpr std::size_t flows = limits::udp_polled_flows + 8;
    std::deque<talker> clients;
    fast_world w;
    for (std::size_t i = 0; i < flows; ++i)
        w.begin(clients.emplace_back(endpoint{loopback4, 0}));
    for (int round = 0; round < 12; ++round) {
        for (const auto& client : clients)
            for (int i = 0; i < 10; ++i)
                client.say(w.asked, "more");
        w.turn();
        w.now += std::chrono::microseconds{100};
    }
    CHECK(w.polls());
    w.settle();
    w.settle();
    CHECK(w.count(counter::udp_to_guest) == flows * 121);
}

TEST_CASE("an error of a fast flow's socket is told at once")
{
    talker client{{loopback4, 0}};
    fast_world w;
    w.begin(client);
    w.stream(client, 12, 10, std::chrono::microseconds{100});
    REQUIRE(w.polls());
    const auto to = client.here();
    client.leave();
    const octet one = 1;
    packet p;
    p.kind = packet_kind::udp;
    p.source = guest4;
    p.destination = gateway4;
    p.source_port = fast_world::port;
    p.destination_port = to.port;
    p.ttl = 64;
    const auto header = wire::make_udp({guest4, fast_world::port}, {gateway4, to.port}, {&one, 1});
    std::array<octet, sizeof header + 1> l4{};
    std::memcpy(l4.data(), &header, sizeof header);
    p.l4 = l4;
    w.plane.take_over(p, w.now);
    w.settle();
    CHECK(w.count(counter::icmp_errors_to_guest) == 1);
}

TEST_CASE("many datagrams that wait in a socket reach the guest in order, each as it was sent")
{
    for (const bool uso : {false, true}) {
        const talker client{{loopback4, 0}};
        fast_world w;
        w.begin(client);
        w.tap.granted.uso = uso;
        w.tap.keeps = true;
        std::vector<std::string> said;
        for (int i = 0; i < 150; ++i)
            client.say(w.asked, said.emplace_back(text_of(i)));
        w.settle();
        CHECK(w.tap.kept == said);
    }
}

TEST_CASE("a whole batch of the guest's datagrams reaches the socket in order, each as it was sent")
{
    const talker client{{loopback4, 0}};
    fast_world w;
    w.begin(client);
    std::deque<std::vector<octet>> l4;
    std::deque<guest_packet> packets;
    std::vector<const guest_packet*> run;
    for (std::size_t i = 0; i < tap_queue::most_frames; ++i) {
        const auto text = text_of(static_cast<int>(i));
        const bytes_view payload{reinterpret_cast<const octet*>(text.data()), text.size()};
        const auto header = wire::make_udp({guest4, fast_world::port}, {gateway4, client.here().port}, payload);
        auto& datagram = l4.emplace_back(sizeof header + text.size());
        std::memcpy(datagram.data(), &header, sizeof header);
        std::memcpy(datagram.data() + sizeof header, text.data(), text.size());
        auto& p = packets.emplace_back().packet;
        p.kind = packet_kind::udp;
        p.source = guest4;
        p.destination = gateway4;
        p.source_port = fast_world::port;
        p.destination_port = client.here().port;
        p.ttl = 64;
        p.l4 = datagram;
        run.push_back(&packets.back());
    }
    w.udp.from_guest(run, w.now);
    for (std::size_t i = 0; i < run.size(); ++i)
        CHECK(client.hear() == talker::heard{text_of(static_cast<int>(i)), w.asked});
    CHECK(w.count(counter::udp_from_guest) == run.size());
}
