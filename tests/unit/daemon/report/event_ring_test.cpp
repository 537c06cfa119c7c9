// The workers' events: in order, counted out when the reader is behind, and never without a reader that wakes for them.
#include "daemon/os/event_fd.hpp"
#include "daemon/report/event_ring.hpp"
#include "tests/support/catch.hpp"

#include <atomic>
#include <memory>
#include <poll.h>
#include <thread>
#include <vector>

using namespace tapioca;
using report::event_kind;
using report::event_ring;

namespace {

constexpr int room = 512;

std::vector<int> drained(event_ring& ring)
{
    std::vector<int> numbers;
    ring.drain([&](const report::worker_event& e) { numbers.push_back(e.error); });
    return numbers;
}

bool push(event_ring& ring, int number) { return ring.push({instant{}, event_kind::tap_failed, number, {}}); }

} // namespace

TEST_CASE("events come out in their order, as often as the ring goes round")
{
    const auto ring = std::make_unique<event_ring>();
    for (int n = 0; n < 5000;) {
        std::vector<int> expected;
        for (int i = 0; i < 300; ++i, ++n) {
            REQUIRE(push(*ring, n));
            expected.push_back(n);
        }
        REQUIRE(drained(*ring) == expected);
    }
    CHECK(drained(*ring).empty());
}

TEST_CASE("a ring of events that is full keeps what it has")
{
    const auto ring = std::make_unique<event_ring>();
    for (int n = 0; n < room; ++n)
        REQUIRE(push(*ring, n));
    CHECK_FALSE(push(*ring, room));
    const auto kept = drained(*ring);
    CHECK(kept.size() == room);
    CHECK(kept.front() == 0);
    CHECK(kept.back() == room - 1);
    CHECK(push(*ring, 0));
}

TEST_CASE("the reader is woken once for what it has not drained")
{
    const auto ring = std::make_unique<event_ring>();
    CHECK_FALSE(ring->reader_sleeps()); // nothing to say
    push(*ring, 1);
    push(*ring, 2);
    CHECK(ring->reader_sleeps());
    CHECK_FALSE(ring->reader_sleeps());
    push(*ring, 3);
    CHECK_FALSE(ring->reader_sleeps()); // it has been woken already
    CHECK(drained(*ring).size() == 3);
    CHECK_FALSE(ring->reader_sleeps());
    push(*ring, 4);
    CHECK(ring->reader_sleeps());
}

TEST_CASE("a reader that sleeps until it is woken sees every event")
{
    constexpr int events = 50'000;
    const auto ring = std::make_unique<event_ring>();
    const auto bell = os::make_event_fd();
    std::atomic<bool> overslept = false;
    std::thread writer{[&] {
        for (int n = 0; n < events && !overslept;) {
            for (int batch = n % 3; batch >= 0 && n < events && push(*ring, n); --batch)
                ++n;
            if (ring->reader_sleeps())
                os::signal(bell.get());
        }
    }};
    int seen = 0, wrong = 0;
    while (seen < events && !overslept) {
        pollfd waiting{bell.get(), POLLIN, 0};
        overslept = ::poll(&waiting, 1, 10'000) != 1;
        os::clear(bell.get());
        ring->drain([&](const report::worker_event& e) { wrong += e.error != seen++; });
    }
    writer.join();
    CHECK_FALSE(overslept);
    CHECK(seen == events);
    CHECK(wrong == 0);
}
