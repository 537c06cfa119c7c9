// Kicks and calls (virtio 1.2 sections 2.7.7 and 2.7.10): asked for, refused, and never lost.
#include "tests/support/catch.hpp"
#include "tests/support/interleavings.hpp"
#include "tests/support/ring_world.hpp"

namespace tapioca::vhost {

using namespace test;
using world = ring_world;

TEST_CASE("the driver is called unless it said that it need not be")
{
    world w;
    for (int i = 0; i < 3; ++i) {
        w.driver.refuse_calls();
        w.queue.give_back(0, 0, {});
        CHECK_FALSE(w.queue.publish({}));
        w.driver.ask_for_calls();
        CHECK_FALSE(w.queue.publish({})); // nothing is new
        w.queue.give_back(0, 0, {});
        CHECK(w.queue.publish({}));
    }
}

TEST_CASE("with event indices the driver is called once the entry that it named is passed, and the first time in any case")
{
    for (const std::uint16_t first : std::initializer_list<std::uint16_t>{0, 0xfffe}) {
        world w{{.first = first, .event_index = true}};
        const auto publish = [&w](int count) {
            for (int i = 0; i < count; ++i)
                w.queue.give_back(0, 0, {});
            return w.queue.publish({});
        };
        CHECK(publish(1));
        CHECK_FALSE(publish(1)); // it named entry 0 of old
        (void)w.driver.take_used();
        (void)w.driver.take_used();
        w.driver.ask_for_calls(); // entry 2
        CHECK(publish(1));
        CHECK_FALSE(publish(3));
        for (int i = 0; i < 4; ++i)
            (void)w.driver.take_used();
        w.driver.ask_for_calls(); // entry 6
        CHECK(publish(2));
    }
}

TEST_CASE("the device is kicked when it asked, and not between")
{
    for (const bool event_index : {false, true}) {
        world w{{.event_index = event_index}};
        const auto post = [&w] {
            w.driver.place({{w.second, 4}});
            w.driver.show();
            return w.driver.must_kick();
        };
        CHECK_FALSE(w.queue.ask_for_kicks());
        CHECK(post());
        w.queue.refuse_kicks();
        CHECK_FALSE(post());
        CHECK_FALSE(post());
        CHECK(w.queue.available(3) == 3);
        w.queue.take(2);
        CHECK_FALSE(w.queue.ask_for_kicks()); // one is known: that is no news
        CHECK(post());                        // but the next one is, also when entries before it were not taken
        CHECK(w.queue.available(2) == 2);
        w.queue.take(2);
        (void)post();
        CHECK(w.queue.ask_for_kicks()); // there is one that nobody told of
    }
}

namespace {

/// Ends well if the device took all that the driver showed.
struct kicked {
    explicit kicked(bool event_index) : w({.event_index = event_index}) {}
    world w;
    int to_show = 3, taken = 0;
    bool shown = false, kick = false, asleep = false;

    step driver()
    {
        if (shown) {
            shown = false;
            kick = w.driver.must_kick() || kick;
            return --to_show == 0 ? step::done : step::goes_on;
        }
        w.driver.place({{w.second, 4}});
        w.driver.show();
        shown = true;
        return step::goes_on;
    }
    step device()
    {
        if (asleep && !kick)
            return step::waits;
        if (asleep) {
            asleep = kick = false;
            w.queue.refuse_kicks();
        } else if (w.pass_one()) {
            ++taken;
        } else {
            asleep = !w.queue.ask_for_kicks();
            if (!asleep)
                w.queue.refuse_kicks();
        }
        return step::goes_on;
    }
};

/// Ends well if the driver took all that the device gave back.
struct called {
    explicit called(bool event_index) : w({.event_index = event_index}) {}
    world w;
    int to_give = 4, taken = 0;
    bool call = true, asleep = true, asked = false;

    step device()
    {
        w.queue.give_back(0, 0, {});
        if (to_give-- % 2 == 0) // two at once, then one
            w.queue.give_back(0, 0, {});
        call = w.queue.publish({}) || call;
        return to_give == 0 ? step::done : step::goes_on;
    }
    step driver()
    {
        if (asleep && !call)
            return step::waits;
        if (asleep) {
            asleep = call = false;
            w.driver.refuse_calls();
        } else if (w.driver.take_used()) {
            ++taken;
            asked = false;
        } else if (!asked) {
            w.driver.ask_for_calls();
            asked = true; // and looks once more
        } else {
            asleep = true;
            asked = false;
        }
        return step::goes_on;
    }
};

} // namespace

TEST_CASE("no wake-up is lost, in whatever order driver and device do their steps")
{
    for (const bool event_index : {false, true}) {
        interleavings orders;
        int count = 0;
        do {
            kicked k{event_index};
            if (!orders.run({[&k] { return k.driver(); }, [&k] { return k.device(); }}))
                continue;
            ++count;
            REQUIRE(k.taken == 3);
        } while (orders.next());
        CHECK(count > 100);
        interleavings back;
        do {
            called c{event_index};
            if (back.run({[&c] { return c.device(); }, [&c] { return c.driver(); }}))
                REQUIRE(c.taken == 6);
        } while (back.next());
    }
}

} // namespace tapioca::vhost
