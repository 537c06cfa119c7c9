// Limits of an egress policy on connections and octets, and what another policy does to flows that stand.

#include "tests/sim/egress_world.hpp"
#include "tests/support/listed_flows.hpp"

using namespace tapioca;
using namespace tapioca::test;

namespace {

/// Whether a packet is the ICMP error that says "administratively prohibited".
bool is_prohibition(const packet& p) { return p.kind == packet_kind::icmp && p.l4.size() > 2 && p.l4[0] == 3 && p.l4[1] == 13; }

egress_address_rule rule(egress_action action, const prefix& network, std::uint16_t number)
{
    return {.action = action, .service = {}, .by_class = {}, .network = network, .number = number};
}

void end_denied(egress_world& w, std::uint32_t most = 3)
{
    for (std::optional at{plane::place{}}; at;)
        at = w.s.plane->end_denied(*at, most, w.s.now());
}

} // namespace

TEST_CASE("beyond its connections the guest hears that more are prohibited, until one of them ends")
{
    egress_world w;
    int told = 0;
    w.s.on_other_to_guest = [&](const packet& p) { told += is_prohibition(p); };
    w.limit({.connections = 3});
    const auto all = w.established_all(3);
    (void)w.s.peer_opens(); // whom peers call is another matter
    auto& fourth = w.s.guest_opens();
    w.s.run_for(10ms);
    CHECK(fourth.guest->at == stage::syn_sent);
    CHECK(told == 1);
    CHECK(w.s.dropped(drop_reason::egress_limit) == 1);
    all[0]->guest->abort(w.s.now());
    CHECK(w.s.run_until([&] { return fourth.guest->at == stage::open; }, 3s)); // its SYN is repeated
    w.limit({});
    (void)w.established_all(5);
}

TEST_CASE("what is beyond a limit is recorded as refused, with the verdict that it would have had")
{
    egress_world w;
    report::audit_ring ring(audit_mode::kept, 0);
    w.s.plane->common().audit = &ring;
    w.limit({.connections = 1});
    (void)w.established_all(1);
    (void)w.s.guest_opens();
    w.s.run_for(10ms);
    std::vector<report::audit_record> refused;
    (void)ring.drain([&](const report::audit_record& r) {
        if (r.what == report::audit_event::refused)
            refused.push_back(r);
        return true;
    });
    REQUIRE(refused.size() == 1);
    CHECK(refused[0].refused == drop_reason::egress_limit);
    CHECK((refused[0].verdict.says == egress_action::allow && !refused[0].verdict.passes));
}

TEST_CASE("a quota ends all flows when it is used up, and allows none until its period is over")
{
    egress_world w;
    int told = 0;
    w.s.on_other_to_guest = [&](const packet& p) { told += is_prohibition(p); };
    w.limit({.quota = 1'000'000, .quota_period = 60s});
    const auto all = w.established_all(3);
    const auto begin = w.s.now();
    all[0]->peer.to_send = 600'000;
    all[1]->guest->write(300'000, w.s.now());
    w.s.run_for(1s);
    CHECK(all[0]->guest->received() == 600'000);
    CHECK(all[1]->peer.received == 300'000);
    CHECK(listed_flows(*w.s.plane).size() == 3);
    all[2]->peer.to_send = 300'000;
    w.s.run_for(1s);
    CHECK(listed_flows(*w.s.plane).empty());
    CHECK(w.s.counters->ended(end_reason::egress_limit) == 3);
    for (const auto* c : all) {
        CHECK(c->guest->at == stage::reset);
        CHECK(c->peer.socket->reset_sent);
    }
    CHECK(!w.s.plane->has_ready());
    auto& refused = w.s.guest_opens();
    w.s.run_for(10ms);
    CHECK(refused.guest->at == stage::syn_sent);
    CHECK(told == 1);
    CHECK(w.s.run_until([&] { return refused.guest->at == stage::open; }, 90s));
    CHECK(w.s.now() - begin >= 58s);
    refused.peer.to_send = 100'000;
    w.s.run_for(1s);
    CHECK(refused.guest->received() == 100'000);
}

TEST_CASE("without a policy, and with one that limits nothing, nothing is metered")
{
    egress_world w;
    CHECK(!w.s.plane->common().metering.is_on());
    w.limit({.connections = 5});
    CHECK(!w.s.plane->common().metering.is_on());
    w.limit({.octets_per_second = 1});
    CHECK(w.s.plane->common().metering.is_on());
    w.adopt({});
    CHECK(!w.s.plane->common().metering.is_on());
}

TEST_CASE("flows that another policy denies are reset, and no others")
{
    egress_world w;
    const auto all = w.established_all(8);
    const auto peer = &w.s.peer_opens();
    peers_answer(w.s);
    auto& elsewhere = w.s.guest_opens_to({ip_address::v4(198, 51, 100, 1), 443});
    w.s.run_for(10ms);
    egress_policy policy;
    policy.denied = address_rules{{rule(egress_action::deny, {ip_address::v4(203, 0, 113, 0), 24}, 0)}};
    policy.mode = egress_mode::audit;
    w.adopt(policy);
    end_denied(w);
    w.s.run_for(10ms);
    CHECK(w.s.counters->ended(end_reason::egress_denied) == 0);
    policy.mode = egress_mode::enforce;
    w.adopt(policy);
    end_denied(w, GENERATE(1U, 3U, 1000U));
    w.s.run_for(10ms);
    CHECK(w.s.counters->ended(end_reason::egress_denied) == 8);
    for (const auto* c : all) {
        CHECK(c->guest->at == stage::reset);
        CHECK(c->peer.socket->reset_sent);
    }
    CHECK(elsewhere.guest->at == stage::open);
    CHECK(peer->guest->at == stage::open);
}
