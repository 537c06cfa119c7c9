#include "daemon/translate/limits.hpp"
#include "tests/support/catch.hpp"

#include <thread>
#include <vector>

using namespace tapioca;
using namespace std::chrono_literals;

namespace {

constexpr auto guest = flow_origin::guest, peer = flow_origin::peer;
constexpr instant start{1000h};

std::size_t admitted(flow_budget& b, std::size_t tries, flow_share kind, flow_origin origin, instant now = start)
{
    std::size_t count = 0;
    for (std::size_t i = 0; i < tries; ++i)
        count += b.refuses(kind, origin, now) ? 0 : 1;
    return count;
}

constexpr std::size_t tcp = 0, udp = 1;

} // namespace

TEST_CASE("each kind has its share, all have theirs, and what ends makes room")
{
    flow_budget::shares s;
    s.of[tcp] = 5;
    s.of[udp] = 4;
    s.all = 7;
    flow_budget b{s};
    CHECK(admitted(b, 10, flow_share::tcp, guest) == 5);
    CHECK(admitted(b, 10, flow_share::udp, guest) == 2); // of all
    CHECK(b.refuses(flow_share::echo, guest, start) == drop_reason::flow_limit);
    b.release(flow_share::tcp, guest);
    CHECK(admitted(b, 10, flow_share::udp, guest) == 1);
    CHECK(b.count(flow_share::tcp) == 4);
    CHECK(b.count(flow_share::udp) == 3);
    for (int i = 0; i < 4; ++i)
        b.release(flow_share::tcp, guest);
    CHECK(admitted(b, 10, flow_share::udp, guest) == 1); // its own share
    CHECK(admitted(b, 10, flow_share::echo, guest) == 3);
}

TEST_CASE("peers have less than all, so that the guest is never kept out by them")
{
    flow_budget::shares s;
    s.of[tcp] = 8;
    s.of_peers[tcp] = 6;
    flow_budget b{s};
    CHECK(admitted(b, 20, flow_share::tcp, peer) == 6);
    CHECK(admitted(b, 20, flow_share::tcp, guest) == 2);
    b.release(flow_share::tcp, guest);
    CHECK(admitted(b, 20, flow_share::tcp, peer) == 0);
    b.release(flow_share::tcp, peer);
    CHECK(admitted(b, 1, flow_share::tcp, peer) == 1);
}

TEST_CASE("new flows a second: a second's worth at once, then as they come, and refusals cost nothing")
{
    flow_budget::shares s;
    s.new_in_a_second = 100;
    flow_budget b{s};
    CHECK(admitted(b, 1000, flow_share::tcp, guest) == 100);
    CHECK(b.refuses(flow_share::udp, guest, start) == drop_reason::new_flow_rate);
    CHECK(b.count(flow_share::udp) == 0);
    CHECK(admitted(b, 1000, flow_share::tcp, guest, start + 250ms) == 25);
    CHECK(admitted(b, 1000, flow_share::tcp, guest, start + 255ms) == 0);
    CHECK(admitted(b, 1000, flow_share::tcp, guest, start + 10s) == 100);
}

TEST_CASE("without limits there are none, and no rate is a rate of any number")
{
    flow_budget b;
    CHECK(admitted(b, 200'000, flow_share::spliced, guest) == 200'000);
}

TEST_CASE("workers that ask at the same time get no more than there is")
{
    flow_budget::shares s;
    s.of[tcp] = 1000;
    s.new_in_a_second = 1500;
    flow_budget b{s};
    std::atomic<std::size_t> got = 0;
    std::vector<std::thread> workers;
    for (int i = 0; i < 2; ++i)
        workers.emplace_back([&] {
            for (int n = 0; n < 5000; ++n)
                if (!b.refuses(flow_share::tcp, peer, start))
                    ++got;
        });
    for (auto& w : workers)
        w.join();
    CHECK(got <= 1000);
    CHECK(b.count(flow_share::tcp) == got);
}

TEST_CASE("descriptors are shared out so that no kind can take all, whatever the user allows")
{
    const limits::descriptor_shares shares{1024, 24, 2};
    const auto usual = shares.narrowed({});
    CHECK(usual.of[tcp] == 750);
    CHECK(usual.of[udp] == limits::most_udp_flows); // they share sockets
    CHECK(usual.of_peers[tcp] == 750 - 187);
    CHECK(usual.all == flow_budget::unlimited);
    CHECK(usual.new_in_a_second == flow_budget::unlimited);
    flow_limits asked;
    asked.tcp = 10;
    asked.udp = 600;
    asked.flows = 20;
    asked.new_flows = 30;
    const auto narrow = shares.narrowed(asked);
    CHECK(narrow.of[tcp] == 10);
    CHECK(narrow.of_peers[tcp] == 8);
    CHECK(narrow.of[udp] == 600);
    CHECK(narrow.all == 20);
    CHECK(narrow.new_in_a_second == 30);
    asked.tcp = 1;
    CHECK(shares.narrowed(asked).of_peers[tcp] == 1);
    const limits::descriptor_shares none{16, 16, 1};
    CHECK(none.narrowed({}).of[tcp] == 1);
    CHECK(none.connecting_flows() == 1);
    CHECK(shares.connecting_flows() == 125); // in one of two workers
    CHECK(shares.scanned_listeners() == 250);
}

TEST_CASE("flows of the guest over the tap are counted apart from those of peers and of the bypass")
{
    flow_budget b;
    CHECK(admitted(b, 3, flow_share::tcp, guest) == 3);
    CHECK(admitted(b, 2, flow_share::udp, guest) == 2);
    CHECK(admitted(b, 1, flow_share::echo, guest) == 1);
    CHECK(admitted(b, 4, flow_share::tcp, peer) == 4);
    CHECK(admitted(b, 5, flow_share::spliced, guest) == 5);
    CHECK(b.count_of_guest() == 6);
    b.release(flow_share::tcp, peer);
    b.release(flow_share::udp, guest);
    CHECK(b.count_of_guest() == 5);
}
