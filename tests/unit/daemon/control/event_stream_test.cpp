#include "daemon/control/event_stream.hpp"
#include "tests/support/catch.hpp"

#include <map>

using namespace tapioca;
namespace json = boost::json;

namespace {

std::vector<std::int64_t> numbers_in(const event_stream::watcher::taken& some)
{
    std::vector<std::int64_t> numbers;
    for (const auto& event : some.events)
        numbers.push_back(json::parse(*event).at("number").as_int64());
    return numbers;
}

void publish(event_stream& events, event_topic topic, std::int64_t number)
{
    events.publish(topic, "something", [=] { return json::object{{"number", number}}; });
}

} // namespace

TEST_CASE("watchers get the events of their topics, with what happened and when")
{
    event_stream events;
    event_stream::watcher host{events, set_of(event_topic::host)};
    event_stream::watcher both{events, static_cast<topic_set>(set_of(event_topic::host) | set_of(event_topic::flows))};
    publish(events, event_topic::host, 1);
    publish(events, event_topic::flows, 2);
    publish(events, event_topic::drops, 3);
    const auto some = host.take(100);
    CHECK(numbers_in(some) == std::vector<std::int64_t>{1});
    CHECK(numbers_in(both.take(100)) == std::vector<std::int64_t>{1, 2});
    const auto event = json::parse(*some.events.front());
    CHECK(event.at("event") == "something");
    CHECK(event.at("topic") == "host");
    CHECK(event.at("time").as_int64() > 1'600'000'000'000);
}

TEST_CASE("an event that nobody watches is not made, and one that several watch is made once")
{
    event_stream events;
    int made = 0;
    const auto describe = [&] {
        ++made;
        return json::object{};
    };
    events.publish(event_topic::flows, "opened", describe);
    CHECK(made == 0);
    event_stream::watcher one{events, set_of(event_topic::flows)}, other{events, set_of(event_topic::flows)};
    events.publish(event_topic::drops, "dropped", describe);
    CHECK(made == 0);
    events.publish(event_topic::flows, "opened", describe);
    CHECK(made == 1);
}

TEST_CASE("a watcher that does not read loses the newest events, is told how many, and goes on behind the gap")
{
    constexpr std::int64_t room = event_stream::watcher::most_waiting;
    event_stream events;
    event_stream::watcher slow{events, set_of(event_topic::flows)}, quick{events, set_of(event_topic::flows)};
    std::int64_t seen = 0;
    for (std::int64_t i = 0; i < room + 5; ++i) {
        publish(events, event_topic::flows, i);
        seen += std::ssize(quick.take(10).events);
    }
    CHECK(seen == room + 5);
    auto some = slow.take(10);
    CHECK(numbers_in(some).back() == 9);
    CHECK(some.lost == 0);
    publish(events, event_topic::flows, room + 5); // there is room, but it would stand before the gap
    some = slow.take(2 * room);
    CHECK(numbers_in(some).back() == room - 1);
    CHECK(some.lost == 6);
    publish(events, event_topic::flows, room + 6);
    some = slow.take(2 * room);
    CHECK(numbers_in(some) == std::vector<std::int64_t>{room + 6});
    CHECK(some.lost == 0);
}

TEST_CASE("a watcher is called once until it has taken what there is")
{
    event_stream events;
    event_stream::watcher one{events, set_of(event_topic::flows)};
    int calls = 0;
    one.when_ready([&] { ++calls; });
    publish(events, event_topic::flows, 1);
    publish(events, event_topic::flows, 2);
    events.lose(event_topic::flows, 3);
    CHECK(calls == 1);
    CHECK(one.take(100).lost == 3);
    CHECK_FALSE(one.has_something());
    events.lose(event_topic::flows, 1);
    CHECK(calls == 2);
}

TEST_CASE("sources are told when the first begins to watch and the last has ended")
{
    event_stream events;
    std::map<event_topic, std::vector<bool>> told;
    events.when_watched([&](event_topic topic, bool watched) { told[topic].push_back(watched); });
    {
        event_stream::watcher one{events, set_of(event_topic::flows)};
        event_stream::watcher other{events, static_cast<topic_set>(set_of(event_topic::flows) | set_of(event_topic::drops))};
        CHECK(events.is_watched(event_topic::flows));
        CHECK_FALSE(events.is_watched(event_topic::host));
    }
    CHECK(told[event_topic::flows] == std::vector{true, false});
    CHECK(told[event_topic::drops] == std::vector{true, false});
    CHECK(told.count(event_topic::host) == 0);
}
