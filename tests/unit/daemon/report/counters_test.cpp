#include "daemon/report/counters.hpp"
#include "tests/support/catch.hpp"

#include <memory>
#include <set>
#include <string_view>
#include <thread>

using namespace tapioca;
using report::counter;

TEST_CASE("each counter and each reason counts for itself, under a name of its own")
{
    report::counters counts;
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < report::counter_count; ++i) {
        counts.add(static_cast<counter>(i), i + 1);
        CHECK(names.insert(report::counter_names[i]).second);
    }
    for (std::size_t i = 0; i < drop_reason_count; ++i) {
        counts.drop(static_cast<drop_reason>(i), 1000 + i);
        CHECK(names.insert(drop_reason_names[i]).second);
    }
    CHECK(names.count("") == 0);
    for (std::size_t i = 0; i < report::counter_count; ++i)
        CHECK(counts.value(static_cast<counter>(i)) == i + 1);
    for (std::size_t i = 0; i < drop_reason_count; ++i)
        CHECK(counts.dropped(static_cast<drop_reason>(i)) == 1000 + i);
}

TEST_CASE("who reads a counter while it counts sees it grow and nothing else")
{
    const auto counts = std::make_unique<report::counters>();
    constexpr std::uint64_t total = 200'000;
    std::thread writer{[&] {
        for (std::uint64_t n = 0; n < total; ++n)
            counts->add(counter::turns);
    }};
    bool grows = true;
    for (std::uint64_t last = 0; last < total;) {
        const auto now = counts->value(counter::turns);
        grows = grows && now >= last;
        last = now;
        std::this_thread::yield();
    }
    writer.join();
    CHECK(grows);
    CHECK(counts->value(counter::turns) == total);
}
