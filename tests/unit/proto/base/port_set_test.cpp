#include "proto/base/port_set.hpp"

#include "tests/support/catch.hpp"

#include <vector>

using namespace tapioca;

static_assert(sizeof(port_set) == 8192);

TEST_CASE("a set of ports knows its members, the first and the last port and both ends of a word among them")
{
    const std::vector<std::uint16_t> ports{0, 1, 63, 64, 127, 128, 1023, 32768, 65534, 65535};
    port_set set;
    CHECK(set.empty());
    for (const auto p : ports)
        set.set(p);
    std::vector<std::uint16_t> seen;
    set.for_each([&](std::uint16_t p) { seen.push_back(p); });
    CHECK(seen == ports);
    for (const auto p : ports) {
        CHECK(set.test(p));
        CHECK_FALSE(set.empty());
        set.reset(p);
        CHECK_FALSE(set.test(p));
    }
    CHECK(set.empty());
    CHECK(set == port_set{});
}

TEST_CASE("sets of ports are united and taken away")
{
    port_set a, b;
    a.set(80);
    a.set(443);
    b.set(443);
    b.set(8080);
    auto all = a;
    all |= b;
    CHECK((all.test(80) && all.test(443) && all.test(8080)));
    all -= a;
    CHECK_FALSE(all.test(80));
    CHECK_FALSE(all.test(443));
    CHECK(all.test(8080));
    all.clear();
    CHECK(all.empty());
}

TEST_CASE("the words of a set are those of its ports")
{
    port_set set;
    set.set(64);
    set.set(127);
    CHECK(set.word(0) == 0);
    CHECK(set.word(1) == 0x8000'0000'0000'0001);
    set.set(65535);
    CHECK(set.word(port_set::word_count - 1) == std::uint64_t{1} << 63);
}
