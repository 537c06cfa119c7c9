#include "daemon/os/poller.hpp"

#include "daemon/os/clock.hpp"
#include "daemon/os/event_fd.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;
using namespace std::chrono_literals;

namespace {

/// How long a wait for nothing takes; nothing must be ready.
duration waits(os::poller& poller, instant until)
{
    const auto begin = os::now();
    REQUIRE(poller.wait(begin, until).empty());
    return os::now() - begin;
}

} // namespace

TEST_CASE("a wait ends when its time has come, each time")
{
    os::poller poller;
    for (int i = 0; i < 3; ++i)
        CHECK(waits(poller, os::now() + 5ms) >= 4ms);
    CHECK(waits(poller, os::now()) < 5s); // a look
}

TEST_CASE("a wait may be shorter than the one before it")
{
    os::poller poller;
    const auto bell = os::make_event_fd();
    REQUIRE(poller.add(bell.get(), {1, 2}, os::trigger::level).has_value());
    os::signal(bell.get());
    const auto now = os::now();
    CHECK(poller.wait(now, now + 1h).size() == 1);
    os::clear(bell.get());
    CHECK(waits(poller, os::now() + 5ms) < 1min);
}

TEST_CASE("the end of a wait is told once")
{
    os::poller poller;
    (void)waits(poller, os::now() + 1ms);
    const auto bell = os::make_event_fd();
    REQUIRE(poller.add(bell.get(), {1, 2}, os::trigger::level).has_value());
    os::signal(bell.get());
    const auto ready = poller.wait(os::now(), instant::max());
    REQUIRE(ready.size() == 1);
    CHECK(ready[0].what.id == 2);
}
