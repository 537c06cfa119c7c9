#include "proto/base/fixed_vector.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;

TEST_CASE("a fixed string takes what fits behind what is there, or nothing")
{
    fixed_string<5> text;
    CHECK(text.append("ab"));
    CHECK_FALSE(text.append("cdef"));
    CHECK(text.view() == "ab");
    CHECK(text.append("cde"));
    CHECK(text.append(""));
    CHECK_FALSE(text.append("f"));
    CHECK(text.view() == "abcde");
    CHECK(text.assign("x"));
    CHECK(text.append("y"));
    CHECK(text.view() == "xy");
}
