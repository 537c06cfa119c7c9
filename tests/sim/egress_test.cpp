// What the egress policy denies: the guest is told in one form, and nothing of it reaches the host.
#include "proto/wire/icmp.hpp"
#include "tests/sim/name_world.hpp"

using namespace tapioca;
using namespace tapioca::test;
using report::counter;

namespace {

struct egress_world {
    explicit egress_world(bool v6, egress_profile profile) : s({.v6 = v6})
    {
        s.kernel.has_udp = s.kernel.has_ping = true;
        auto next = std::make_shared<plane_config>(s.config);
        auto policy = std::make_shared<egress_policy>();
        policy->profile = profile;
        next->egress = std::move(policy);
        next->places = std::make_shared<host_places>();
        s.config = *next;
        std::shared_ptr<const plane_config> given{std::move(next)};
        s.plane->adopt(given);
        s.plane->end_turn(s.now());
        s.on_other_to_guest = [this, v6](const packet& p) {
            reader in{p.l4};
            const auto h = in.take<wire::icmp_header>();
            REQUIRE(h);
            prohibited += v6 ? h->type == wire::icmpv6_unreachable && h->code == wire::icmpv6_code_prohibited
                             : h->type == wire::icmpv4_unreachable && h->code == wire::icmpv4_code_prohibited;
            CHECK(!p.source.is_link_local()); // a router behind the guest would not hand that on
        };
    }
    simulation s;
    int prohibited = 0;
};

} // namespace

TEST_CASE("a denied connection is told to be prohibited, and no socket is made for it")
{
    for (const bool v6 : {false, true}) {
        egress_world w(v6, egress_profile::deny_all);
        auto& c = w.s.guest_opens();
        w.s.run_for(10ms);
        CHECK(w.prohibited == 1);
        CHECK(c.peer.socket == nullptr);
        CHECK(c.guest->at != stage::open);
        CHECK(w.s.kernel.sockets().empty());
        CHECK(w.s.dropped(drop_reason::egress_denied) == 1);
        CHECK(w.s.nothing_left());
    }
}

TEST_CASE("with a policy that allows it a connection is as without one")
{
    for (const bool v6 : {false, true}) {
        egress_world w(v6, egress_profile::no_metadata);
        auto& c = w.s.guest_opens();
        w.s.run_for(1ms);
        REQUIRE(c.peer.socket != nullptr);
        w.s.kernel.connected(*c.peer.socket);
        CHECK(w.s.run_until([&] { return c.guest->at == stage::open; }, 1s));
        converse_to_end(w.s, c, 1000, 1000);
        CHECK(w.prohibited == 0);
        CHECK(w.s.dropped(drop_reason::egress_denied) == 0);
    }
}

TEST_CASE("a peer's connection is no matter of the policy")
{
    egress_world w(false, egress_profile::deny_all);
    auto& c = w.s.peer_opens();
    CHECK(w.s.run_until([&] { return c.guest->at == stage::open; }, 1s));
    converse_to_end(w.s, c, 1000, 1000);
}

TEST_CASE("each denied datagram is told to be prohibited, and none leaves")
{
    for (const bool v6 : {false, true}) {
        egress_world w(v6, egress_profile::deny_all);
        std::size_t sent = 0;
        w.s.kernel.on_datagram = [&](memory_socket&, const os::outgoing&) { ++sent; };
        const flow_key k{v6 ? w.s.config.net.address6 : w.s.config.net.address4.address, v6 ? resolver6(9) : resolver4(9), 4000,
                         9, wire::protocol_udp};
        for (int i = 0; i < 3; ++i)
            w.s.inject(ip_frame(k, wire::protocol_udp, udp_upper(k, name_world::question(1))));
        w.s.run_for(10ms);
        CHECK(w.prohibited == 3);
        CHECK(sent == 0);
        CHECK(w.s.dropped(drop_reason::egress_denied) == 3);
        CHECK(w.s.udp->flow_count() == 0);
    }
}
