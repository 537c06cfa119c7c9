// What spliced connections carry, and how they end.

#include "tests/unit/daemon/translate/splice_rig.hpp"

#include <memory>
#include <vector>

using namespace tapioca;
using namespace tapioca::test;
using report::counter;

namespace {

std::uint64_t flows_left(const splice_rig& rig)
{
    return rig.count(counter::spliced_flows_opened) - rig.count(counter::spliced_flows_closed);
}
std::uint64_t pipes_lent(const splice_rig& rig)
{
    return rig.count(counter::pipes_borrowed) - rig.count(counter::pipes_returned);
}

/// Both sides send `octets` as fast as they can and read `portion` a turn, until all has come.
void exchange(splice_rig& rig, stream_ends& s, std::uint64_t octets, std::size_t portion)
{
    const auto work = [&](stream_end& e) {
        if (e.sent < octets)
            e.send(std::min<std::size_t>(octets - e.sent, 1 << 20));
        e.receive(portion);
    };
    REQUIRE(rig.turns_until([&] {
        work(s.client);
        work(s.server);
        return s.client.received == octets && s.server.received == octets;
    }));
    CHECK(s.client.equal);
    CHECK(s.server.equal);
}

} // namespace

TEST_CASE("a spliced connection carries octets and the ends of both streams, one after the other")
{
    const descriptor_balance balance;
    const auto family = GENERATE(ip_family::ipv4, ip_family::ipv6);
    const bool client_first = GENERATE(true, false);
    splice_rig rig{family};
    auto s = rig.pair();
    exchange(rig, s, 1, 100);
    exchange(rig, s, 1000, 1000);

    auto& first = client_first ? s.client : s.server;
    auto& second = client_first ? s.server : s.client;
    first.send(7);
    first.end();
    REQUIRE(rig.turns_until([&] {
        second.receive(100);
        return second.ended;
    }));
    CHECK(second.received == 1007);
    CHECK(rig.splice.flow_count() == 1);
    second.send(50000); // the other half is still open
    second.end();
    REQUIRE(rig.turns_until([&] {
        first.receive_all();
        return first.ended;
    }));
    CHECK(first.received == 51000);
    CHECK(first.equal);
    rig.turns(3);
    CHECK(rig.splice.flow_count() == 0);
    CHECK(rig.ended(end_reason::finished) == 1);
    CHECK(flows_left(rig) == 0);
    CHECK(pipes_lent(rig) == 0);
}

TEST_CASE("an idle spliced connection holds two descriptors")
{
    splice_rig rig;
    auto s = rig.pair();
    exchange(rig, s, 4 << 20, 1 << 20);
    rig.turns(3);
    const auto before = open_descriptors();
    std::vector<stream_ends> more;
    for (int i = 0; i < 10; ++i) {
        more.push_back(rig.pair());
        exchange(rig, more.back(), 4 << 20, 1 << 20);
    }
    rig.turns(3);
    CHECK(pipes_lent(rig) == 0);
    CHECK(open_descriptors() - before == 10 * (2 + 2)); // two of them are the test's
}

TEST_CASE("a reset of one side reaches the other, behind what was sent before it")
{
    const descriptor_balance balance;
    const bool by_client = GENERATE(true, false);
    const std::size_t octets = GENERATE(0U, 100U, 30000U);
    splice_rig rig;
    auto s = rig.pair();
    auto& first = by_client ? s.client : s.server;
    auto& second = by_client ? s.server : s.client;
    if (octets != 0)
        REQUIRE(first.send(octets) == octets);
    first.reset();
    REQUIRE(rig.turns_until([&] {
        second.receive_all();
        return second.error != 0;
    }));
    CHECK(second.error == ECONNRESET);
    CHECK(second.received == octets);
    CHECK(second.equal);
    CHECK(flows_left(rig) == 0);
}

TEST_CASE("bulk both ways at once arrives whole, however slowly it is read")
{
    const descriptor_balance balance;
    splice_rig rig{GENERATE(ip_family::ipv4, ip_family::ipv6)};
    SECTION("fast readers")
    {
        auto s = rig.pair();
        exchange(rig, s, std::uint64_t{96} << 20, 4 << 20);
    }
    SECTION("readers with small buffers who take a little at a time")
    {
        auto s = rig.pair(65536);
        exchange(rig, s, 2 << 20, 3000);
    }
    SECTION("one reader sleeps while the other stream goes on")
    {
        auto s = rig.pair();
        while (s.client.send(1 << 20) != 0)
            rig.turn();
        const auto asleep = s.client.sent;
        REQUIRE(rig.turns_until([&] {
            s.server.send(1 << 20);
            s.client.receive_all();
            return s.client.received >= std::uint64_t{32} << 20;
        }));
        REQUIRE(rig.turns_until([&] {
            s.server.receive_all();
            s.client.receive_all();
            return s.server.received == asleep && s.client.received == s.server.sent;
        }));
        CHECK((s.client.equal && s.server.equal));
    }
    rig.turns(3);
    CHECK(pipes_lent(rig) == 0);
}

TEST_CASE("two hundred connections whose readers sleep all go on when these wake up")
{
    const descriptor_balance balance;
    splice_rig rig;
    std::vector<stream_ends> flows;
    for (int i = 0; i < 200; ++i) {
        flows.push_back(rig.pair(65536));
        flows.back().client.pattern = flows.back().server.pattern = stream_pattern{static_cast<std::uint64_t>(i)};
    }
    const auto fill = [&] {
        std::size_t taken = 0;
        for (auto& s : flows)
            taken += s.client.send(1 << 18) + s.server.send(1 << 18);
        return taken;
    };
    REQUIRE(rig.turns_until([&, quiet = 0]() mutable {
        quiet = fill() == 0 ? quiet + 1 : 0;
        return quiet == 10;
    }));
    CHECK_FALSE(rig.splice.has_ready());
    CHECK(rig.splice.pipes().borrowed() <= pipe_pool::most_pipes);
    CHECK(pipes_lent(rig) == rig.splice.pipes().borrowed());
    for (auto& s : flows) {
        s.client.end();
        s.server.end();
    }
    REQUIRE(rig.turns_until([&] {
        bool all = true;
        for (auto& s : flows) {
            s.client.receive(1 << 20);
            s.server.receive(1 << 20);
            all = all && s.client.ended && s.server.ended;
        }
        return all;
    }));
    for (auto& s : flows) {
        CHECK((s.client.received == s.server.sent && s.client.equal));
        CHECK((s.server.received == s.client.sent && s.server.equal));
    }
    rig.turns(2);
    CHECK(flows_left(rig) == 0);
    CHECK(pipes_lent(rig) == 0);
}

TEST_CASE("without a pipe octets are copied, and none is lost")
{
    const descriptor_balance balance;
    const int buffers = GENERATE(0, 65536);
    splice_rig rig;
    auto blocked = rig.pair(65536);
    auto s = rig.pair(buffers);
    REQUIRE(rig.turns_until([&, quiet = 0]() mutable {
        quiet = blocked.client.send(1 << 20) == 0 ? quiet + 1 : 0;
        return quiet == 10;
    }));
    REQUIRE(rig.splice.pipes().borrowed() == 1); // and this was all that there is
    {
        const no_more_descriptors limit;
        exchange(rig, s, 1, 100);
        exchange(rig, s, 4 << 20, buffers == 0 ? 1 << 20 : 10000);
        CHECK(rig.count(counter::pipes_missing) != 0);
        CHECK(rig.splice.pipes().borrowed() == 1);
        s.client.end();
        REQUIRE(rig.turns_until([&] {
            s.server.receive(1);
            return s.server.ended;
        }));
    }
    REQUIRE(rig.turns_until([&] {
        blocked.server.receive_all();
        return blocked.server.received == blocked.client.sent;
    }));
    CHECK(blocked.server.equal);
}

TEST_CASE("one connection moves a bounded number of octets a turn")
{
    splice_rig rig;
    auto s = rig.pair();
    exchange(rig, s, 8 << 20, 4 << 20); // buffers have grown
    std::uint64_t most = 0;
    REQUIRE(rig.turns_until([&] {
        while (s.client.send(1 << 20) != 0) {
        }
        s.server.receive(64 << 10);
        const auto before = rig.count(counter::spliced_octets_to_guest);
        rig.turn();
        most = std::max(most, rig.count(counter::spliced_octets_to_guest) - before);
        return s.server.received > std::uint64_t{16} << 20;
    }));
    CHECK(most <= 2 * pipe_pool::large_octets);
    CHECK(s.server.equal);
}

/// Nobody reads, until no socket takes any more.
void fill(splice_rig& rig, stream_ends& s)
{
    REQUIRE(rig.turns_until([&, quiet = 0]() mutable {
        quiet = s.client.send(1 << 20) == 0 ? quiet + 1 : 0;
        return quiet == 10;
    }));
}

TEST_CASE("octets that wait are tried again, though no event came")
{
    splice_rig rig;
    auto s = rig.pair(65536);
    fill(rig, s);
    rig.deaf = true;
    while (s.server.receive(1 << 20) != 0)
        rig.turn();
    const auto before = s.server.received;
    REQUIRE(before < s.client.sent);
    CHECK(rig.splice.next_deadline() <= os::now() + std::chrono::seconds{2});
    rig.splice.expire(os::now() + std::chrono::seconds{2});
    rig.splice.end_turn(os::now() + std::chrono::seconds{2});
    s.server.receive_all();
    CHECK(s.server.received > before);
    CHECK(rig.count(counter::spliced_stalls_recovered) == 1);
}

TEST_CASE("a reader who sleeps is offered octets less and less often")
{
    splice_rig rig;
    auto s = rig.pair(65536);
    fill(rig, s);
    auto now = os::now();
    int times = 0;
    for (const auto end = now + std::chrono::seconds{200}; rig.splice.next_deadline() < end; ++times) {
        now = std::max(now + std::chrono::milliseconds{10}, rig.splice.next_deadline());
        rig.splice.expire(now);
        rig.splice.end_turn(now);
    }
    CHECK(times > 5);
    CHECK(times < 50);
    CHECK(rig.count(counter::spliced_stalls_recovered) == 0);
}

TEST_CASE("urgent data does not hold up the stream")
{
    splice_rig rig;
    auto s = rig.pair();
    const std::size_t before = GENERATE(5U, 200000U); // copied, or spliced
    REQUIRE(s.client.send(before) == before);
    const bool at_once = GENERATE(true, false);
    if (!at_once)
        rig.turns(2);
    octet urgent;
    s.client.pattern.fill({&urgent, 1}, s.client.sent);
    REQUIRE(::send(s.client.fd.get(), &urgent, 1, MSG_OOB) == 1);
    ++s.client.sent;
    const auto behind = std::size_t{300000};
    REQUIRE(s.client.send(behind) == behind);
    REQUIRE(rig.turns_until([&] {
        s.server.receive_all();
        return s.server.received == before + 1 + behind;
    }));
    CHECK(s.server.equal);
}

TEST_CASE("spliced connections come, carry octets and go without an allocation")
{
    splice_rig rig;
    std::vector<octet> octets(1 << 20);
    const auto before = allocation_count();
    for (int i = 0; i < 5; ++i) {
        auto s = rig.pair();
        for (int j = 0; j < 20; ++j) {
            (void)::send(s.client.fd.get(), octets.data(), octets.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            rig.turns(2);
            (void)::recv(s.server.fd.get(), octets.data(), octets.size(), MSG_DONTWAIT);
        }
    }
    CHECK(rig.count(counter::spliced_octets_to_guest) > octets.size());
    CHECK(allocation_count() == before);
}
