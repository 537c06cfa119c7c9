#include "tests/unit/daemon/translate/datagram_world.hpp"

#include "proto/wire/udp.hpp"

#include <cstring>
#include <unistd.h>

using namespace tapioca;
using namespace tapioca::test;

namespace {

constexpr auto loopback4 = datagram_world::loopback4, guest4 = datagram_world::public4;
constexpr auto gateway4 = ip_address::v4(192, 0, 2, 1);
constexpr std::uint16_t guest_port = 7777;

using heard = talker::heard;

/// One process of two; everything goes over the tap, and all of the host's loopback is the gateway to the guest.
struct process : datagram_world {
    explicit process(const forward_rule& host = {}) : datagram_world(host)
    {
        config.splice = false;
        config.address_map.map_host_loopback4 = gateway4;
        config.address_map.our_tap4 = gateway4;
        tap.keeps = true;
    }

    void guest_says(std::uint16_t to, std::string_view text)
    {
        std::vector<octet> l4(8 + text.size());
        const auto header =
            wire::make_udp({guest4, guest_port}, {gateway4, to}, {reinterpret_cast<const octet*>(text.data()), text.size()});
        std::memcpy(l4.data(), &header, sizeof header);
        std::memcpy(l4.data() + sizeof header, text.data(), text.size());
        packet p;
        p.kind = packet_kind::udp;
        p.source = guest4;
        p.destination = gateway4;
        p.source_port = guest_port;
        p.destination_port = to;
        p.ttl = 64;
        p.l4 = l4;
        plane.take_over(p, now);
        settle();
    }
};

/// What one gives is the other's, as if it had gone through the state.
struct passing final : udp_receiver {
    process& to;
    std::size_t sockets = 0, taken = 0;

    explicit passing(process& p) : to(p) {}
    void receive(const given_udp& socket) noexcept override
    {
        ++sockets;
        os::unique_fd fd{socket.fd < 0 ? -1 : ::dup(socket.fd)};
        taken += to.udp.take(socket, std::move(fd), to.now);
    }
};

/// The last socket that was given, for later.
struct keeping final : udp_receiver {
    migrate::udp_socket_state state;
    std::vector<migrate::udp_flow_state> flows;
    void receive(const given_udp& socket) noexcept override
    {
        state = socket.state;
        flows.assign(socket.flows.begin(), socket.flows.end());
    }
};

} // namespace

TEST_CASE("a flow of the guest goes on in another process: its peer may speak first, and all ends there in its time")
{
    const talker peer{{loopback4, 0}};
    process before, after;
    before.guest_says(peer.here().port, "question");
    const auto asked = peer.hear();
    REQUIRE(asked);
    passing to{after};
    before.udp.give(to, before.now);
    CHECK(to.sockets == 1);
    CHECK(to.taken == 1);
    CHECK(after.udp.flow_count() == 1);
    CHECK(after.ctx.datagram_sockets == 1);

    peer.say(asked->from, "news");
    after.settle();
    CHECK(after.tap.kept.size() == 1);
    after.guest_says(peer.here().port, "more");
    CHECK(peer.hear() == heard{"more", asked->from});
    CHECK(after.udp.flow_count() == 1);
    after.pass(std::chrono::hours{1});
    CHECK(after.udp.flow_count() == 0);
    CHECK(after.udp.port_count() == 0);
    CHECK(after.ctx.datagram_sockets == 0);
}

TEST_CASE("what is given is still there, and goes on as if nothing had been")
{
    const talker peer{{loopback4, 0}};
    process before;
    before.guest_says(peer.here().port, "question");
    const auto asked = peer.hear();
    REQUIRE(asked);
    {
        process after;
        passing to{after};
        before.udp.give(to, before.now);
        CHECK(to.taken == 1);
    }
    peer.say(asked->from, "answer");
    before.settle();
    CHECK(before.tap.kept.size() == 1);
    before.guest_says(peer.here().port, "more");
    CHECK(peer.hear() == heard{"more", asked->from});
}

TEST_CASE("silence counts on from where it was")
{
    const talker peer{{loopback4, 0}};
    process before, after;
    before.guest_says(peer.here().port, "question");
    before.now += before.config.udp_timeout - std::chrono::seconds{1};
    passing to{after};
    before.udp.give(to, before.now);
    after.pass({});
    CHECK(after.udp.flow_count() == 1);
    after.pass(std::chrono::seconds{2});
    CHECK(after.udp.flow_count() == 0);
}

TEST_CASE("peers that are alike to the guest keep their ports there in another process")
{
    const talker one{{loopback4, 0}}, other{{ip_address::v4(127, 0, 0, 9), one.here().port}};
    const auto rule = datagram_world::rule(listen_stack::dual, guest_port);
    const endpoint asked{loopback4, rule.first};
    keeping kept;
    {
        process before{rule};
        for (const auto* peer : {&one, &other}) {
            peer->say(asked, "question");
            before.settle();
        }
        before.udp.give(kept, before.now);
    }
    REQUIRE(kept.flows.size() == 2);
    process after{rule};
    CHECK(after.udp.take({kept.state, -1, kept.flows, {}}, {}, after.now) == 2);
    CHECK(after.ctx.datagram_sockets == 0);
    CHECK(after.udp.port_count() == 1);
    after.guest_says(one.here().port, "answer");
    CHECK(one.hear() == heard{"answer", asked});
    CHECK_FALSE(other.hear());
    other.say(asked, "more");
    after.settle();
    CHECK(after.tap.kept.size() == 1);
    CHECK(after.udp.flow_count() == 2);
    const auto& renamed = kept.flows[kept.flows[0].renamed ? 0 : 1];
    CHECK(renamed.renamed);
    after.guest_says(renamed.head.key.remote_port, "yours");
    CHECK(other.hear() == heard{"yours", asked});
}

TEST_CASE("a flow that leads elsewhere by the other's options is left behind, and its socket with it")
{
    const talker peer{{loopback4, 0}};
    process before;
    before.guest_says(peer.here().port, "question");
    REQUIRE(peer.hear());

    process unmapped;
    unmapped.config.address_map.map_host_loopback4 = {};
    passing to_unmapped{unmapped};
    before.udp.give(to_unmapped, before.now);
    CHECK(to_unmapped.taken == 0);
    CHECK(unmapped.udp.port_count() == 0);
    CHECK(unmapped.ctx.datagram_sockets == 0);
}

TEST_CASE("a socket comes once")
{
    const talker peer{{loopback4, 0}};
    process before, after;
    before.guest_says(peer.here().port, "question");
    passing first{after}, second{after};
    before.udp.give(first, before.now);
    before.udp.give(second, before.now);
    CHECK(first.taken == 1);
    CHECK(second.taken == 0);
    CHECK(after.udp.flow_count() == 1);
}
