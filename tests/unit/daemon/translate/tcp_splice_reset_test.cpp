// What one side of a spliced connection says before it resets, and when the other side hears of the reset.

#include "tests/unit/daemon/translate/splice_rig.hpp"

using namespace tapioca;
using namespace tapioca::test;
using report::counter;

namespace {

std::uint64_t flows_left(const splice_rig& rig)
{
    return rig.count(counter::spliced_flows_opened) - rig.count(counter::spliced_flows_closed);
}

/// Until no socket takes any more.
void fill(splice_rig& rig, stream_end& from)
{
    REQUIRE(rig.turns_until([&, quiet = 0]() mutable {
        quiet = from.send(1 << 20) == 0 ? quiet + 1 : 0;
        return quiet == 10;
    }));
}

} // namespace

TEST_CASE("a server that reads nothing, answers and resets: the client that is still sending gets the answer, then the reset")
{
    const descriptor_balance balance;
    const auto family = GENERATE(ip_family::ipv4, ip_family::ipv6);
    const bool by_client = GENERATE(true, false);
    const std::size_t answer = GENERATE(26U, 60000U);
    const bool told_by_event = GENERATE(true, false);
    splice_rig rig{family};
    auto s = rig.pair();
    auto& uploading = by_client ? s.server : s.client;
    auto& answering = by_client ? s.client : s.server;
    fill(rig, uploading);
    REQUIRE(answering.send(answer) == answer);
    answering.fd.reset(); // with unread data: a reset
    if (!told_by_event) {
        rig.deaf = true;
        rig.splice.expire(os::now() + std::chrono::seconds{2}); // what waits is tried again
        rig.splice.end_turn(os::now() + std::chrono::seconds{2});
        rig.deaf = false;
    }
    REQUIRE(rig.turns_until([&] {
        uploading.receive_all();
        return uploading.error != 0;
    }));
    CHECK(uploading.error == ECONNRESET);
    CHECK(uploading.received == answer);
    CHECK(uploading.equal);
    CHECK(flows_left(rig) == 0);
}

TEST_CASE("what a client said before it reset waits for a server that reads slowly, wherever it waits")
{
    const descriptor_balance balance;
    splice_rig rig;
    auto s = rig.pair(GENERATE(0, 65536));
    fill(rig, s.client);
    const auto said = s.client.sent - os::unacknowledged(s.client.fd.get()); // its own reset takes back the rest
    s.client.reset();
    rig.turns(10);
    CHECK(flows_left(rig) == 1);
    REQUIRE(rig.turns_until([&] {
        s.server.receive(20000);
        return s.server.error != 0;
    }));
    CHECK(s.server.error == ECONNRESET);
    CHECK(s.server.received >= said);
    CHECK(s.server.equal);
    CHECK(flows_left(rig) == 0);
}

TEST_CASE(
    "at the end of the process a stream that has arrived with its end is left alone, and whoever lacks the end sees a reset")
{
    const descriptor_balance balance;
    const bool client_ends = GENERATE(true, false), server_ends = GENERATE(true, false), slow = GENERATE(true, false);
    splice_rig rig;
    auto s = rig.pair(65536);
    CHECK_FALSE(rig.splice.is_owing());
    if (slow) {
        fill(rig, s.client);
        fill(rig, s.server);
    }
    if (client_ends)
        s.client.end();
    if (server_ends)
        s.server.end();
    rig.turns(10);
    REQUIRE(rig.turns_until([&] { return rig.splice.is_owing() == slow; })); // an end may be acknowledged a little later
    for (auto* end : {&s.client, &s.server})
        REQUIRE(rig.turns_until([&] {
            end->receive_all();
            return end->received == (end == &s.client ? s.server.sent : s.client.sent);
        }));
    rig.turns(10); // until there is no news
    REQUIRE(rig.turns_until([&] { return !rig.splice.is_owing(); }));
    CHECK(rig.splice.reset_incomplete() == (client_ends && server_ends ? 0 : 1));
    s.client.receive_all();
    s.server.receive_all();
    CHECK((s.client.ended == server_ends && (s.client.error == ECONNRESET) != server_ends));
    CHECK((s.server.ended == client_ends && (s.server.error == ECONNRESET) != client_ends));
    CHECK((s.client.equal && s.server.equal));
}

TEST_CASE("a reset passes a reader who reads nothing for half a minute")
{
    const descriptor_balance balance;
    const std::size_t octets = GENERATE(0U, 300000U); // in the socket's own queue, or beyond
    splice_rig rig;
    auto s = rig.pair(65536);
    if (octets == 0)
        fill(rig, s.client);
    else
        REQUIRE(rig.turns_until([&] { return s.client.sent >= octets || (s.client.send(octets - s.client.sent), false); }));
    s.client.reset();
    auto now = os::now();
    rig.turns(10);
    REQUIRE(flows_left(rig) == 1);
    for (const auto end = now + std::chrono::seconds{29}; now < end; now += std::chrono::milliseconds{100}) {
        rig.splice.expire(now);
        rig.splice.end_turn(now);
    }
    CHECK(flows_left(rig) == 1);
    for (const auto end = now + std::chrono::seconds{4}; now < end; now += std::chrono::milliseconds{100}) {
        rig.splice.expire(now);
        rig.splice.end_turn(now);
    }
    CHECK(flows_left(rig) == 0);
    s.server.receive_all();
    CHECK(s.server.error == ECONNRESET);
    CHECK(s.server.equal);
}
