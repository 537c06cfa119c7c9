#include "proto/policy/pin_table.hpp"
#include "tests/support/catch.hpp"

#include <thread>
#include <vector>

using namespace tapioca;
using namespace std::chrono_literals;

namespace {

ip_address numbered(std::uint32_t i) { return ip_address::v4(0x0a000000U + i); }

std::vector<pin> pins_of(const pin_table& t, const ip_address& a)
{
    std::vector<pin> all;
    t.each(a, [&](const pin& p) {
        all.push_back(p);
        return true;
    });
    return all;
}

} // namespace

TEST_CASE("each address has its pins, by rule and name; what is set again only ends later")
{
    pin_table t(16, {1, 2});
    const auto a = numbered(1), b = numbered(2);
    CHECK(pins_of(t, a).empty());
    REQUIRE(t.set({a, 1, 10, instant{1s}}));
    REQUIRE(t.set({a, 2, 10, instant{2s}}));
    REQUIRE(t.set({b, 1, 11, instant{3s}}));
    REQUIRE(t.set({a, 1, 10, instant{5s}}));
    const auto of_a = pins_of(t, a);
    REQUIRE(of_a.size() == 2);
    CHECK((of_a[0].until == instant{5s} && of_a[0].rule == 1 && of_a[0].name == 10));
    CHECK((of_a[1].until == instant{2s} && of_a[1].rule == 2));
    CHECK(pins_of(t, b).size() == 1);
    CHECK(!t.is_nearly_full());
}

TEST_CASE("a full table refuses, and still finds what it has and ends looking for what it has not")
{
    pin_table t(64, {3, 4});
    std::uint32_t set = 0;
    while (t.set({numbered(set), 0, 0, instant{1s}}))
        ++set;
    CHECK(set == 56);
    CHECK(t.is_nearly_full());
    for (std::uint32_t i = 0; i < 2 * set; ++i)
        CHECK(pins_of(t, numbered(i)).size() == (i < set ? 1 : 0));
    CHECK(t.set({numbered(3), 0, 0, instant{9s}})); // it is there already
}

TEST_CASE("readers see a pin whole or not at all while it is set")
{
    constexpr std::uint32_t count = 20000;
    pin_table t(65536, {5, 6});
    std::atomic<std::uint32_t> shown = 0;
    std::atomic<std::uint32_t> missing = 0, wrong = 0;
    const auto read = [&] {
        for (std::uint32_t last = 0; last < count;) {
            const auto now = shown.load(std::memory_order_acquire);
            for (auto i = last; i < now; ++i) {
                const auto found = pins_of(t, numbered(i));
                missing += found.size() != 1;
                wrong += found.size() == 1 && (found[0].name != i || found[0].rule != i % 1000);
            }
            last = now;
        }
    };
    std::thread one{read}, two{read};
    for (std::uint32_t i = 0; i < count; ++i) {
        (void)t.set({numbered(i), static_cast<std::uint16_t>(i % 1000), i, instant{1s}});
        shown.store(i + 1, std::memory_order_release);
    }
    one.join();
    two.join();
    CHECK(missing == 0);
    CHECK(wrong == 0);
}
