#include "daemon/client/watch_feed.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca::client;
namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

json::object counters(std::uint64_t received, std::uint64_t opened, std::uint64_t no_flow)
{
    return {{"total",
             {{"counters", {{"octets_to_guest", received}, {"tcp_flows_opened", opened}, {"udp_flows_closed", 1}}},
              {"drops", {{"no_flow", no_flow}, {"truncated", 0}}}}}};
}

json::object flow(const char* id, std::uint64_t received)
{
    return {{"id", id},
            {"protocol", "tcp"},
            {"state", "ESTABLISHED"},
            {"guest", {{"address", "10.0.0.5"}, {"port", 40000}}},
            {"remote", {{"address", "2001:db8::7"}, {"port", 443}}},
            {"tcp", {{"octets_received", received}, {"octets_sent", 0}, {"rtt_us", 12345}, {"retransmissions", 2}}}};
}

} // namespace

TEST_CASE("rates are differences of counters over the time between them")
{
    watch_feed feed{"pasta 1"};
    const watch_feed::clock::time_point begin{};
    feed.take_counters(counters(1000, 10, 5), begin);
    CHECK(feed.model().received.empty());
    CHECK(feed.model().flow_count == 9);
    feed.take_counters(counters(5000, 14, 9), begin + 2s);
    CHECK(feed.model().received == std::deque<double>{2000});
    CHECK(feed.model().opened == std::deque<double>{2});
    CHECK(feed.model().dropped == std::deque<double>{2});
    REQUIRE(feed.model().drops.size() == 1);
    CHECK(feed.model().drops[0].words == "a segment, datagram or error of no flow that is known");
    CHECK(feed.model().drops[0].total == 9);
    CHECK(feed.model().drops[0].rate == 2);
}

TEST_CASE("the busiest flow since the last list comes first")
{
    watch_feed feed{"pasta 1"};
    const watch_feed::clock::time_point begin{};
    CHECK(feed.take_flows({{"flows", {flow("a", 100'000), flow("b", 0)}}}, begin));
    feed.end_flows(begin);
    CHECK(feed.take_flows({{"flows", {flow("a", 100'100), flow("b", 5000)}}}, begin + 1s));
    feed.end_flows(begin + 1s);
    REQUIRE(feed.model().flows.size() == 2);
    CHECK(feed.model().flows[0].received == 5000);
    CHECK(feed.model().flows[0].remote == "[2001:db8::7]:443");
    CHECK(feed.model().flows[0].round_trip_us == 12345);
    CHECK(feed.model().flows[1].received == 100);
}

TEST_CASE("there is an end to how many flows are looked at")
{
    watch_feed feed{"pasta 1"};
    bool more = true;
    for (std::size_t i = 0; i < watch_feed::most_flows; ++i)
        more = feed.take_flows({{"flows", {flow(std::to_string(i).c_str(), 0)}}}, {});
    CHECK_FALSE(more);
    feed.end_flows({});
    CHECK(feed.model().not_all_flows);
}

TEST_CASE("events are lines, whatever they are")
{
    json::object closed{{"event", "flow_closed"},
                        {"time", 1000},
                        {"protocol", "tcp"},
                        {"origin", "peer"},
                        {"guest", {{"address", "10.0.0.5"}, {"port", 80}}},
                        {"remote", {{"address", "192.0.2.1"}, {"port", 4000}}},
                        {"words", "both sides have ended it"},
                        {"octets_from_guest", 1234},
                        {"octets_to_guest", 5}};
    CHECK(line_of(closed).substr(9) ==
          "closed tcp 192.0.2.1:4000 > 10.0.0.5:80: both sides have ended it, 1.23 kB sent, 5 B received");
    CHECK(line_of({{"event", "dropped"}, {"drops", {{{"packets", 3}, {"words", "port 0"}}}}}).substr(9) == "dropped 3: port 0");
    CHECK(line_of({{"event", "resolver_changed"}, {"topic", "host"}, {"resolvers", {"192.0.2.53"}}}).substr(9) ==
          R"(resolver_changed {"resolvers":["192.0.2.53"]})");
    watch_feed feed{"pasta 1"};
    feed.take_events({{"events", {closed}}, {"lost", 4}});
    CHECK(feed.model().events.size() == 1);
    CHECK(feed.model().lost == 4);
}
