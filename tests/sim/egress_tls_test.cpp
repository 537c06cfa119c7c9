// tls = "sni": nothing of a connection to port 443 leaves before the guest has named a server to which a rule leads.

#include "tests/sim/egress_world.hpp"
#include "tests/support/listed_flows.hpp"
#include "tests/support/octets.hpp"

using namespace tapioca;
using namespace tapioca::test;

namespace {

constexpr auto web = ip_address::v4(203, 0, 113, 80), other_web = ip_address::v4(203, 0, 113, 81);

octets sized(unsigned width, const octets& content)
{
    octets o;
    for (auto w = width; w-- != 0;)
        o.push_back(static_cast<octet>(content.size() >> 8 * w));
    return o + content;
}

octets client_hello(std::string_view name, const octets& more = {})
{
    const auto server_name = hex("0000") + sized(2, sized(2, hex("00") + sized(2, text(name))));
    const auto body = hex("0303") + octets(32, 7) + hex("00 0002 1301 0100") + sized(2, server_name + more);
    return hex("16 0301") + sized(2, hex("01") + sized(3, body));
}

struct tls_world : egress_world {
    explicit tls_world(egress_mode mode = egress_mode::enforce, const simulation_options& options = {}) : egress_world(options)
    {
        peers_answer(s);
        auto table = std::make_shared<pin_table>(64, siphash_key{1, 2});
        const auto set = [&](const ip_address& a, std::uint16_t rule, std::uint32_t name, std::string_view text) {
            REQUIRE(table->set({a, rule, name, s.now() + 300s, table->text_of(text)}));
        };
        set(web, 0, 1, "a.example");
        set(web, 0, 2, "alias.example");
        set(web, 1, 3, "ssh.example");
        set(other_web, 0, 4, "b.example");
        policy.profile = egress_profile::deny_all;
        policy.mode = mode;
        policy.tls_names = true;
        policy.rules = {{}, {}};
        policy.names = {{.action = egress_action::allow, .service = {0, {443, 443}}, .name = "example", .below = true},
                        {.action = egress_action::allow, .service = {0, {22, 22}}, .name = "ssh.example", .number = 1}};
        policy.pins = table;
        adopt(policy);
    }
    conversation& open(std::uint16_t port = 443)
    {
        auto& c = s.guest_opens_to({web, port});
        s.run_for(1ms);
        CHECK(c.guest->at == stage::open);
        return c;
    }
    /// What the guest says first.
    void say(conversation& c, const octets& what, std::uint64_t behind = 0)
    {
        c.guest->say_first(what);
        c.peer.theirs.begin_with(what);
        c.guest->write(what.size() + behind, s.now());
        s.run_for(100ms);
    }
    void check_refused(conversation& c)
    {
        CHECK(c.peer.received == 0);
        CHECK(c.guest->at == stage::reset);
        CHECK(c.peer.socket->reset_sent);
        CHECK(s.counters->ended(end_reason::egress_denied) == 1);
        CHECK(s.dropped(drop_reason::egress_denied) == 1);
        CHECK(s.count(report::counter::tls_names_denied) == 1);
        CHECK(listed_flows(*s.plane).empty());
    }

    egress_policy policy;
};

} // namespace

TEST_CASE("a connection that names a server to which a rule leads goes on undisturbed")
{
    tls_world w(egress_mode::enforce, {.seed = GENERATE(1U, 2U, 3U)});
    auto& c = w.open();
    const auto hello = client_hello(GENERATE("a.example", "ALIAS.example"));
    w.say(c, hello, 100'000);
    CHECK(c.peer.received == hello.size() + 100'000);
    c.guest->finish(w.s.now());
    c.peer.to_send = 200'000;
    c.peer.finish = true;
    CHECK(w.s.run_to_end(c));
    check_end(w.s, c);
    CHECK(w.s.dropped(drop_reason::egress_denied) == 0);
}

TEST_CASE("a ClientHello may come octet by octet, out of order, and over a link that loses some")
{
    const bool bad_link = GENERATE(false, true);
    simulation_options o;
    o.guest.send_frame = 1;
    if (bad_link)
        o.from_guest = o.to_guest = {.delay = 1ms, .jitter = 3ms, .loss = 0.1};
    tls_world w(egress_mode::enforce, o);
    auto& c = w.s.guest_opens_to({web, 443});
    const auto hello = client_hello("a.example");
    c.guest->say_first(hello);
    c.peer.theirs.begin_with(hello);
    CHECK(w.s.run_until([&] { return c.guest->at == stage::open; }));
    c.guest->write(hello.size() - 1, w.s.now());
    w.s.run_for(20s);
    CHECK(c.peer.received == 0);
    c.guest->write(1, w.s.now());
    w.s.run_for(20s);
    CHECK(c.peer.received == hello.size());
}

TEST_CASE("a connection that begins otherwise is reset on both sides, and nothing of it has left")
{
    const auto begin = GENERATE(client_hello("b.example"), client_hello("ssh.example"), client_hello("unknown.example"),
                                client_hello("a.example", hex("fe0d 0001 01")), hex("16 0301 0005 01 000000 00"),
                                text("GET / HTTP/1.1\r\n\r\n"), octets(20000, 0x16));
    tls_world w;
    auto& c = w.open();
    w.say(c, begin);
    w.check_refused(c);
}

TEST_CASE("a ClientHello that is never completed never leaves, however the guest ends it")
{
    tls_world w;
    auto& c = w.open();
    auto hello = client_hello("a.example");
    hello.pop_back();
    w.say(c, hello);
    CHECK(c.guest->at == stage::open);
    SECTION("by its end")
    {
        c.guest->finish(w.s.now());
        w.s.run_for(3s);
        CHECK(w.s.counters->ended(end_reason::egress_denied) == 1);
    }
    SECTION("by a reset")
    {
        c.guest->abort(w.s.now());
        w.s.run_for(3s);
        CHECK(w.s.counters->ended(end_reason::reset_by_guest) == 1);
    }
    CHECK(c.peer.received == 0);
    CHECK(listed_flows(*w.s.plane).empty());
}

TEST_CASE("in the mode audit a wrong name is counted, and passes")
{
    tls_world w(egress_mode::audit);
    auto& c = w.open();
    const auto hello = client_hello("b.example");
    w.say(c, hello);
    CHECK(c.peer.received == hello.size());
    CHECK(w.s.count(report::counter::tls_names_denied) == 1);
    CHECK(w.s.dropped(drop_reason::egress_denied) == 0);
}

TEST_CASE("what must be recorded, and cannot be, does not pass in the mode audit either")
{
    tls_world w(egress_mode::audit);
    report::audit_ring ring(audit_mode::required, 0);
    w.s.plane->common().audit = &ring;
    auto& recorded = w.open();
    const auto hello = client_hello("b.example");
    w.say(recorded, hello);
    CHECK(recorded.peer.received == hello.size());
    auto& c = w.open();
    while (ring.note({})) {
    }
    w.say(c, hello);
    CHECK(c.peer.received == 0);
    CHECK(c.guest->at == stage::reset);
    CHECK(w.s.dropped(drop_reason::audit_full) == 1);
    int told = 0;
    (void)ring.drain([&](const report::audit_record& r) {
        told += r.what == report::audit_event::misnamed && r.verdict.passes && r.to == endpoint{web, 443};
        return true;
    });
    CHECK(told == 1);
}

TEST_CASE("only what a rule for a name allows is held: not another port, and not what a rule for the address allows")
{
    tls_world w;
    auto& ssh = w.open(22);
    w.say(ssh, text("SSH-2.0-x\r\n"));
    CHECK(ssh.peer.received == 11);
    w.policy.allowed = address_rules{
        {egress_address_rule{.action = egress_action::allow, .service = {}, .by_class = {}, .network = {web, 32}, .number = 1}}};
    w.adopt(w.policy);
    auto& plain = w.open();
    w.say(plain, text("GET /\r\n"));
    CHECK(plain.peer.received == 7);
}

TEST_CASE("where server names are wanted no more, what was held goes on")
{
    tls_world w;
    auto& c = w.open();
    w.say(c, text("\x16\x03"));
    CHECK(c.peer.received == 0);
    w.policy.tls_names = false;
    w.adopt(w.policy);
    w.s.run_for(3s);
    CHECK(c.peer.received == 2);
}
