#include "proto/vhost/dirty_log.hpp"

#include "tests/support/catch.hpp"

#include <array>

namespace tapioca::vhost {
namespace {

struct logged {
    std::array<octet, 4> bits{};
    dirty_log log{bits};
    bool operator()(std::array<octet, 4> expected) const { return bits == expected; }
};

} // namespace

TEST_CASE("a page is marked by its bit, the lowest of the first octet for the first page")
{
    logged l;
    l.log.mark(0, 1);
    CHECK(l({1, 0, 0, 0}));
    l.log.mark(4095, 1);
    CHECK(l({1, 0, 0, 0}));
    l.log.mark(4096, 1);
    CHECK(l({3, 0, 0, 0}));
    l.log.mark(9 * 4096 + 17, 4);
    CHECK(l({3, 2, 0, 0}));
}

TEST_CASE("a write over several pages marks all that it touches, and none behind its last octet")
{
    logged l;
    l.log.mark(7 * 4096 + 4095, 2);
    CHECK(l({0x80, 1, 0, 0}));
    logged whole;
    whole.log.mark(8 * 4096, 8 * 4096);
    CHECK(whole({0, 0xff, 0, 0}));
    logged none;
    none.log.mark(4096, 0);
    CHECK(none({0, 0, 0, 0}));
}

TEST_CASE("what lies behind the bits is not marked anywhere, however far it goes")
{
    logged l;
    l.log.mark(31 * 4096, 100 * 4096);
    CHECK(l({0, 0, 0, 0x80}));
    l.log.mark(32 * 4096, 1);
    l.log.mark(~std::uint64_t{0} - 10, 4);
    l.log.mark(~std::uint64_t{0} - 1, 4096); // which wraps
    l.log.mark(~std::uint64_t{0}, ~std::uint64_t{0});
    CHECK(l({0, 0, 0, 0x80}));
    dirty_log{}.mark(0, 4096);
    CHECK_FALSE(dirty_log{});
    CHECK(l.log);
}

} // namespace tapioca::vhost
