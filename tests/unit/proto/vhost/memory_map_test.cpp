#include "proto/vhost/memory_map.hpp"

#include "tests/support/catch.hpp"

#include <array>

namespace tapioca::vhost {
namespace {

std::array<octet, 0x4000> memory;

constexpr region one{0x1000, 0x1000, 0x7000'0000, 0};

memory_map with(std::initializer_list<region> regions)
{
    memory_map m;
    std::size_t at = 0;
    for (const auto& r : regions) {
        REQUIRE(m.check(r) == region_fault::none);
        m.add({r, memory.data() + at});
        at += static_cast<std::size_t>(r.size);
    }
    return m;
}

} // namespace

TEST_CASE("a region that is empty, or ends behind the last address of anything, is refused")
{
    const memory_map m;
    constexpr auto top = ~std::uint64_t{0};
    CHECK(m.check({0x1000, 0, 0x1000, 0}) == region_fault::empty);
    CHECK(m.check({top - 0xfff, 0x1000, 0x1000, 0}) == region_fault::wraps); // not even with the last octet
    CHECK(m.check({0x1000, 0x1000, top - 0xffe, 0}) == region_fault::wraps);
    CHECK(m.check({0x1000, 0x1000, 0x1000, top - 0xffe}) == region_fault::wraps);
    CHECK(m.check({1, top, 1, 0}) == region_fault::wraps);
    CHECK(m.check({top - 0x1000, 0x1000, top - 0x1000, top - 0x1000}) == region_fault::none);
}

TEST_CASE("regions may touch, but not overlap, neither for the guest nor for the front-end")
{
    const auto m = with({one});
    CHECK(m.check({0x2000, 0x1000, 0x7000'1000, 0}) == region_fault::none);
    CHECK(m.check({0, 0x1000, 0x6fff'f000, 0}) == region_fault::none);
    for (const std::uint64_t guest : {0x1ULL, 0xfffULL, 0x1000ULL, 0x1fffULL})
        CHECK(m.check({guest, 0x1000, 0x9000'0000, 0}) == region_fault::overlaps);
    for (const std::uint64_t user : {0x6fff'f001ULL, 0x7000'0000ULL, 0x7000'0fffULL})
        CHECK(m.check({0x9000'0000, 0x1000, user, 0}) == region_fault::overlaps);
    CHECK(m.check({0, 0x10000, 0x9000'0000, 0}) == region_fault::overlaps);      // around it
    CHECK(m.check({0x1800, 1, 0x9000'0000, 0}) == region_fault::overlaps);       // within it
    CHECK(m.check({0x9000'0000, 0x1000, 0xa000'0000, 0}) == region_fault::none); // the same place of a file is no overlap
    CHECK(m.check({0x7000'0000, 0x1000, 0x1000, 0x1000}) == region_fault::none); // their addresses are different things
}

TEST_CASE("there are as many regions as there is room for, and each reason has words")
{
    memory_map m;
    for (std::uint64_t i = 0; i < memory_map::most_regions; ++i)
        m.add({{i * 0x1000, 0x1000, i * 0x1000, 0}, memory.data()});
    CHECK(m.check({0x100'0000, 0x1000, 0x100'0000, 0}) == region_fault::too_many);
    CHECK(m.remove({0x5000, 0x1000, 0x5000, 0}) == 5);
    CHECK(m.check({0x100'0000, 0x1000, 0x100'0000, 0}) == region_fault::none);
    CHECK(text_of(region_fault::none).empty());
    for (const auto why : {region_fault::empty, region_fault::wraps, region_fault::overlaps, region_fault::too_many})
        CHECK_FALSE(text_of(why).empty());
}

TEST_CASE("an address of the guest has what is left of its region, and no more than was asked")
{
    const auto m = with({one, {0x2000, 0x1000, 0x9000'0000, 0}});
    CHECK(m.at_guest(0x1000, 4).data() == memory.data());
    CHECK(m.at_guest(0x1000, 4).size() == 4);
    CHECK(m.at_guest(0x1ffe, 100).size() == 2);
    CHECK(m.at_guest(0x1ffe, 100).data() == memory.data() + 0xffe);
    CHECK(m.at_guest(0x2000, ~std::uint64_t{0}).size() == 0x1000);
    CHECK(m.at_guest(0xfff, 4).empty());
    CHECK(m.at_guest(0x3000, 1).empty());
    CHECK(m.at_guest(~std::uint64_t{0}, 1).empty());
    CHECK(m.at_guest(0x1000, 0).empty());
    CHECK(m.at_guest(0x7000'0000, 1).empty()); // an address of the other kind
}

TEST_CASE("what is at an address of the front-end lies in one region, or is not there")
{
    const auto m = with({one, {0x2000, 0x1000, 0x7000'1000, 0}});
    CHECK(m.at_user(0x7000'0000, 0x1000) == memory.data());
    CHECK(m.at_user(0x7000'0ff0, 16) == memory.data() + 0xff0);
    CHECK(m.at_user(0x7000'0ff0, 17) == nullptr);
    CHECK(m.at_user(0x7000'1000, 16) == memory.data() + 0x1000);
    CHECK(m.at_user(0x6fff'ffff, 1) == nullptr);
    CHECK(m.at_user(0x7000'2000, 1) == nullptr);
    CHECK(m.at_user(0x7000'0010, ~std::uint64_t{0}) == nullptr);
    CHECK(m.at_user(0x1000, 1) == nullptr);
}

TEST_CASE("a region is forgotten by its size and both addresses, whatever its place in the file")
{
    auto m = with({one, {0x2000, 0x1000, 0x9000'0000, 0}, {0x3000, 0x1000, 0xa000'0000, 0}});
    CHECK_FALSE(m.remove({0x1000, 0x800, 0x7000'0000, 0}));
    CHECK_FALSE(m.remove({0x1000, 0x1000, 0x9000'0000, 0}));
    CHECK_FALSE(m.remove({0x2000, 0x1000, 0x7000'0000, 0}));
    CHECK(m.regions().size() == 3);
    CHECK(m.remove({0x2000, 0x1000, 0x9000'0000, 0x5000}) == 1);
    CHECK(m.at_guest(0x2000, 1).empty());
    CHECK(m.at_user(0x9000'0000, 1) == nullptr);
    CHECK(m.at_guest(0x3000, 1).data() == memory.data() + 0x2000);
    CHECK_FALSE(m.remove({0x2000, 0x1000, 0x9000'0000, 0x5000}));
    m.clear();
    CHECK(m.regions().empty());
    CHECK(m.at_guest(0x1000, 1).empty());
}

} // namespace tapioca::vhost
