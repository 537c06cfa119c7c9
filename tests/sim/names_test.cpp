// Queries to our name service over UDP: who is asked, when, and what the guest gets.
#include "tests/sim/name_world.hpp"

using namespace tapioca;
using namespace tapioca::test;
using report::counter;

namespace {

using who = std::vector<int>;

} // namespace

TEST_CASE("a query goes to the first resolver, and its answer comes from the address that was asked")
{
    for (const bool v6 : {false, true}) {
        name_world w({1, 2, 3}, v6);
        w.ask(7);
        w.s.run_for(1s);
        CHECK(w.asked() == who{1});
        REQUIRE(w.got.size() == 1);
        CHECK(w.got[0].from == endpoint{v6 ? mapped6 : mapped4, 53});
        CHECK(w.got[0].to.port == 4000);
        CHECK(w.got[0].payload == name_world::answer_to(name_world::question(7), wire::rcode::no_error));
        CHECK(w.s.count(counter::name_queries_repeated) == 0);
        CHECK(w.s.count(counter::udp_from_guest) == 1);
        CHECK(w.s.udp->next_deadline() > w.s.now() + 1s); // the query wakes nobody any more
        w.s.run_for(10s);
        CHECK(w.s.udp->flow_count() == 0);
        check_no_complaints(w.s);
    }
}

TEST_CASE("where the first resolver is silent the second answers within a second, and is asked first from then on")
{
    for (const bool v6 : {false, true}) {
        name_world w({1, 2}, v6);
        w.does[1] = silent;
        const auto begin = w.s.now();
        w.ask(7);
        w.s.run_for(10s);
        CHECK(w.asked() == who{1, 2});
        REQUIRE(w.got.size() == 1);
        CHECK(w.got[0].when - begin < 1s);
        CHECK(w.s.count(counter::name_queries_repeated) == 1);
        w.ask(8, 4001);
        w.s.run_for(40s);
        CHECK(w.asked() == who{1, 2, 2});
        w.s.run_for(20s); // a minute later the first has another chance
        w.does[1] = answers;
        w.ask(9, 4002);
        w.s.run_for(1s);
        CHECK(w.asked() == who{1, 2, 2, 1});
        CHECK(w.got.size() == 3);
        check_no_complaints(w.s);
    }
}

TEST_CASE("one that cannot be reached is not waited for")
{
    for (const bool v6 : {false, true}) {
        name_world w({1, 2, 3}, v6);
        w.does[1] = w.does[2] = unreachable;
        const auto begin = w.s.now();
        w.ask(7);
        w.s.run_for(1s);
        CHECK(w.asked() == who{1, 2, 3});
        REQUIRE(w.got.size() == 1);
        CHECK(w.got[0].when - begin < 50ms);
        CHECK(w.errors == 0);
        SECTION("if none can be reached, the guest hears what it would have heard of one")
        {
            w.does[3] = unreachable;
            w.ask(8);
            w.s.run_for(1s);
            CHECK(w.got.size() == 1);
            CHECK(w.errors == 1);
            CHECK(w.s.count(counter::name_queries_failed) == 1);
        }
        check_no_complaints(w.s);
    }
}

TEST_CASE("one that the host has no route to is not waited for either")
{
    name_world w({1, 2});
    w.s.kernel.send_fails = ENETUNREACH;
    w.s.kernel.send_failures = 2; // a datagram is offered twice
    w.ask(7);
    w.s.run_for(100ms);
    CHECK(w.asked() == who{2});
    CHECK(w.got.size() == 1);
    w.s.kernel.send_failures = 4;
    w.ask(8);
    w.s.run_for(100ms);
    CHECK(w.got.size() == 1);
    CHECK(w.errors == 1);
}

TEST_CASE("a resolver's failure reaches the guest only if the last one fails, too")
{
    for (const auto code : {wire::rcode::server_failure, wire::rcode::refused, wire::rcode::not_implemented}) {
        name_world w({1, 2});
        w.does[1] = {manner::kind::answers, code};
        w.ask(7);
        w.s.run_for(100ms);
        CHECK(w.asked() == who{1, 2});
        REQUIRE(w.got.size() == 1);
        CHECK(w.got[0].message().rcode == wire::rcode::no_error);
        CHECK(w.s.count(counter::name_queries_failed) == 0);
        w.does[2] = fails;
        w.ask(8);
        w.s.run_for(100ms);
        REQUIRE(w.got.size() == 2);
        CHECK(w.got[1].message().rcode == wire::rcode::server_failure);
        CHECK(w.s.count(counter::name_queries_failed) == 1);
        CHECK(w.asked() == who{1, 2, 1, 2}); // it may have been about this name alone
        check_no_complaints(w.s);
    }
}

TEST_CASE("other codes are answers: a name that does not exist does so for one resolver")
{
    name_world w({1, 2});
    w.does[1] = {manner::kind::answers, wire::rcode::name_error};
    w.ask(7);
    w.s.run_for(5s);
    CHECK(w.asked() == who{1});
    CHECK(w.got.size() == 1);
}

TEST_CASE("a failure does not win against one that is only slow, and reaches the guest if nobody else speaks")
{
    name_world w({1, 2});
    w.does[1] = {manner::kind::answers, wire::rcode::no_error, 1500ms};
    w.does[2] = fails;
    w.ask(7);
    w.s.run_for(5s);
    REQUIRE(w.got.size() == 1);
    CHECK(w.got[0].message().rcode == wire::rcode::no_error);
    w.does[1] = silent;
    const auto begin = w.s.now();
    w.ask(8);
    w.s.run_for(5s);
    REQUIRE(w.got.size() == 2);
    CHECK(w.got[1].message().rcode == wire::rcode::server_failure);
    CHECK(w.got[1].payload.size() == name_world::question(8).size());
    CHECK(w.got[1].when - begin < 5s); // the patience of clients
    CHECK(w.s.count(counter::name_queries_failed) == 1);
}

TEST_CASE("the first answer counts, whoever gives it; what comes later is dropped")
{
    name_world w({1, 2, 3});
    w.does[1] = {manner::kind::answers, wire::rcode::no_error, 900ms};
    w.does[2] = {manner::kind::answers, wire::rcode::no_error, 300ms};
    w.ask(7);
    w.s.run_for(5s);
    CHECK(w.asked() == who{1, 2});
    CHECK(w.got.size() == 1);
    CHECK(w.s.dropped(drop_reason::late_answer) == 1);
    w.answer(w.sent[0]);
    w.answer(w.sent[1]);
    w.s.run_for(1ms);
    CHECK(w.got.size() == 1);
    CHECK(w.s.dropped(drop_reason::late_answer) == 3);
    w.ask(8, 4001);
    w.s.run_for(5s);
    CHECK(w.asked() == who{1, 2, 1, 2}); // the late one is alive, and the first
}

TEST_CASE("an answer of somebody who was not asked, to another question or with another id is none")
{
    name_world w({1, 2});
    w.does[1] = silent;
    w.ask(7);
    w.s.run_for(10ms);
    const auto q = w.sent.at(0);
    const auto arrives = [&](const endpoint& from, const octets& payload) {
        w.s.kernel.datagram_arrives(*q.socket, {from, {}, payload});
        w.s.run_for(1ms);
        CHECK(w.got.empty());
    };
    const auto good = name_world::answer_to(q.payload, wire::rcode::no_error);
    arrives({resolver4(2), 53}, good); // it will be asked later
    arrives({resolver4(9), 53}, good);
    arrives(q.to, name_world::answer_to(name_world::question(8), wire::rcode::no_error));
    arrives(q.to, name_world::answer_to(name_world::question(7, 28), wire::rcode::no_error));
    arrives(q.to, q.payload);
    arrives(q.to, octets(good.begin(), good.begin() + 14));
    arrives(q.to, {});
    w.s.kernel.datagram_arrives(*q.socket, {q.to, {}, good});
    w.s.run_for(1ms);
    CHECK(w.got.size() == 1);
}

TEST_CASE("two queries of one socket have nothing to do with each other")
{
    name_world w({1, 2});
    w.does[1] = silent;
    w.send(name_world::question(7, 1));
    w.s.run_for(300ms);
    w.send(name_world::question(8, 28)); // as glibc asks for A and AAAA
    w.s.run_for(5s);
    CHECK(w.asked() == who{1, 1, 2, 2});
    REQUIRE(w.got.size() == 2);
    CHECK(w.got[0].message().id == 7);
    CHECK(w.got[1].message().id == 8);
}

TEST_CASE("a query that the guest repeats goes to the next resolver, and is answered once")
{
    name_world w({1, 2, 3});
    w.does[1] = w.does[2] = silent;
    w.ask(7);
    w.s.run_for(500ms);
    w.ask(7);
    w.s.run_for(100ms);
    CHECK(w.asked() == who{1, 2});
    w.s.run_for(5s);
    CHECK(w.asked() == who{1, 2, 3});
    CHECK(w.got.size() == 1);
}

TEST_CASE("a query that the guest repeats goes to the same resolver if there is no other")
{
    name_world w({1});
    w.does[1] = silent;
    w.ask(7);
    w.s.run_for(1s);
    CHECK(w.asked() == who{1}); // the guest's patience decides
    w.ask(7);
    w.s.run_for(1s);
    CHECK(w.asked() == who{1, 1});
    w.answer(w.sent[0]);
    w.s.run_for(1ms);
    CHECK(w.got.size() == 1);
}

TEST_CASE("another query with the id of one that waits takes its place")
{
    name_world w({1});
    w.does[1] = silent;
    w.send(name_world::question(9, 1));
    w.s.run_for(10ms);
    w.send(name_world::question(9, 28));
    w.s.run_for(10ms);
    w.answer(w.sent.at(0));
    w.s.run_for(1ms);
    CHECK(w.got.empty());
    w.answer(w.sent.at(1));
    w.s.run_for(1ms);
    CHECK(w.got.size() == 1);
}

TEST_CASE("another list of resolvers: those who wait are asked anew, at once, and answers of the old ones still count")
{
    name_world w({1, 2});
    w.does[1] = w.does[2] = silent;
    w.ask(7);
    w.s.run_for(100ms);
    w.set_resolvers({3});
    w.s.run_for(100ms);
    CHECK(w.asked() == who{1, 3});
    CHECK(w.got.size() == 1);
    w.does[3] = silent;
    w.ask(8);
    w.s.run_for(100ms);
    const auto old = w.sent.back();
    w.set_resolvers({4, 5});
    w.does[4] = silent;
    w.answer(old);
    w.s.run_for(100ms);
    REQUIRE(w.got.size() == 2);
    CHECK(w.got[1].from == endpoint{mapped4, 53});
    SECTION("the same list again changes nothing")
    {
        w.ask(9, 4001);
        w.s.run_for(100ms);
        const auto before = w.asked();
        w.set_resolvers({4, 5});
        w.s.run_for(100ms);
        CHECK(w.asked() == before);
    }
    SECTION("no resolver at all: everybody who waits hears of it")
    {
        w.ask(9, 4001);
        w.s.run_for(100ms);
        w.set_resolvers({});
        w.s.run_for(1ms);
        REQUIRE(w.got.size() == 3);
        CHECK(w.got[2].message().rcode == wire::rcode::server_failure);
    }
    check_no_complaints(w.s);
}

TEST_CASE("a resolver that the guest knows, and that is none of the host's any more, stands for those that are, also for its "
          "repetitions")
{
    name_world w({1});
    w.change([](address_map& map) { map.names4.forwarded.clear(); });
    w.does[53] = silent;
    w.ask(7);
    w.s.run_for(100ms);
    CHECK(w.sent.at(0).to.address == mapped4);
    w.change([](address_map& map) { map.names4.forwarded.push_back(mapped4); });
    w.ask(7);
    w.s.run_for(100ms);
    CHECK(w.asked() == who{53, 1});
    REQUIRE(w.got.size() == 1);
    CHECK(w.got[0].from == endpoint{mapped4, 53});
    CHECK(w.s.udp->flow_count() == 1);
}

TEST_CASE("without resolvers queries fail at once; what is none is dropped")
{
    for (const bool v6 : {false, true}) {
        name_world w({}, v6);
        w.ask(7);
        w.s.run_for(1ms);
        REQUIRE(w.got.size() == 1);
        CHECK(w.got[0].message().rcode == wire::rcode::server_failure);
        CHECK(wire::may_answer(w.got[0].message(), *wire::parse_dns(name_world::question(7))));
        CHECK(w.got[0].from == endpoint{v6 ? mapped6 : mapped4, 53});
        CHECK(w.s.udp->flow_count() == 0);
        w.send(octets(5));
        w.send(name_world::answer_to(name_world::question(7), wire::rcode::no_error));
        w.s.run_for(1ms);
        CHECK(w.got.size() == 1);
        CHECK(w.s.dropped(drop_reason::no_resolver) == 2);
        CHECK(w.sent.empty());
        CHECK(w.s.count(counter::name_queries_failed) == 1);
    }
}

TEST_CASE("what is no query, or too long to be kept, goes to one resolver as ever, and its answers come back")
{
    name_world w({1, 2});
    w.does[1] = silent;
    w.send(octets(5, 0x55));
    w.send(name_world::question(7, 1, 1300));
    w.s.run_for(5s);
    CHECK(w.asked() == who{1, 1});
    w.s.kernel.datagram_arrives(*w.sent[0].socket, {w.sent[0].to, {}, octets(5, 0x66)});
    w.answer(w.sent[1]);
    w.s.run_for(1ms);
    CHECK(w.got.size() == 2);
    CHECK(w.got[0].payload == octets(5, 0x66));
    SECTION("but not to one that is none any more")
    {
        w.set_resolvers({2});
        w.send(octets(5, 0x55));
        w.s.run_for(1ms);
        CHECK(w.asked() == who{1, 1});
        CHECK(w.s.dropped(drop_reason::no_resolver) == 1);
        w.send(octets(5, 0x55), 4001);
        w.s.run_for(1ms);
        CHECK(w.asked() == who{1, 1, 2});
    }
}

TEST_CASE("more queries than are kept are forwarded all the same, and nothing is left of them")
{
    name_world w({1, 2});
    w.does[1] = silent;
    for (std::uint16_t i = 0; i < 300; ++i) {
        w.ask(i, static_cast<std::uint16_t>(4000 + i % 60));
        if (i % 32 == 0)
            w.s.run_for(1us);
    }
    w.s.run_for(1s);
    const auto asked = w.asked();
    CHECK(std::count(asked.begin(), asked.end(), 1) == 300);
    CHECK(std::count(asked.begin(), asked.end(), 2) == static_cast<std::ptrdiff_t>(name_queries::most));
    CHECK(w.got.size() == name_queries::most);
    w.s.run_for(3min);
    CHECK(w.s.udp->flow_count() == 0);
    CHECK(w.s.kernel.open_sockets() == 0);
    check_no_complaints(w.s);
}

TEST_CASE("ten thousand queries with loss: each is answered once, or asked again by the guest")
{
    name_world w({1, 2, 3});
    for (const int each : {1, 2, 3})
        w.does[each].loss = 0.2;
    std::map<std::uint32_t, int> answered;
    for (std::uint32_t n = 0; n < 10'000; ++n) {
        w.ask(static_cast<std::uint16_t>(n), static_cast<std::uint16_t>(4000 + n % 50));
        w.s.run_for(5ms);
    }
    w.s.run_for(10s);
    for (const auto& g : w.got)
        ++answered[g.message().id];
    CHECK(std::all_of(answered.begin(), answered.end(), [](const auto& each) { return each.second == 1; }));
    CHECK(answered.size() > 9'850); // 0.2 ^ 3 is lost with all three
    CHECK(answered.size() + w.s.count(counter::name_queries_failed) == 10'000);
    CHECK(w.s.dropped(drop_reason::no_flow) == 0);
    check_no_complaints(w.s);
}
