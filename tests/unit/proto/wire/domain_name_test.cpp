#include "proto/wire/domain_name.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"

#include <string>

using namespace tapioca;
using namespace tapioca::wire;
using namespace tapioca::test;

TEST_CASE("a name becomes labels with length octets, with or without its trailing dot")
{
    const auto expected = hex("07") + text("example") + hex("03") + text("com") + hex("00");
    REQUIRE(encode_name("example.com"));
    CHECK(copy(encode_name("example.com")->view()) == expected);
    CHECK(copy(encode_name("example.com.")->view()) == expected);
}

TEST_CASE("names that are not worth announcing are refused: the root, empty labels, what is too long")
{
    for (const auto* name : {"", ".", "..", "a..b", ".a", "a.."})
        CHECK(!encode_name(name));
    CHECK(encode_name(std::string(63, 'a')));
    CHECK(!encode_name(std::string(64, 'a')));
    const std::string label = std::string(63, 'a') + ".";
    CHECK(encode_name(label + label + label + std::string(61, 'a'))->size == 255);
    CHECK(!encode_name(label + label + label + std::string(62, 'a')));
}

TEST_CASE("RFC 1035 section 4.1.4: a common tail becomes a pointer, counted from the start of the list")
{
    compressed_names names;
    CHECK(names.add(*encode_name("example.com")));
    CHECK(names.add(*encode_name("sub.example.com")));
    CHECK(names.add(*encode_name("a.com")));
    CHECK(names.add(*encode_name("x.sub.example.com")));
    CHECK(names.add(*encode_name("example.com")));
    CHECK(copy(names.view()) == hex("07") + text("example") + hex("03") + text("com") + hex("00 03") + text("sub") +
                                    hex("c000 01") + text("a") + hex("c008 01") + text("x") + hex("c00d c000"));
}

TEST_CASE("a name never points into itself")
{
    compressed_names names;
    CHECK(names.add(*encode_name("a.a.a")));
    CHECK(copy(names.view()) == hex("0161 0161 0161 00"));
}

TEST_CASE("a list that is full keeps what it has, and shorter names still fit")
{
    compressed_names names;
    const std::string label = std::string(63, 'a') + ".";
    CHECK(names.add(*encode_name(label + label + label + std::string(50, 'b'))));
    const auto before = copy(names.view());
    CHECK(!names.add(*encode_name("example.com")));
    CHECK(copy(names.view()) == before);
    CHECK(names.add(*encode_name("c.com")));
    CHECK(copy(names.view()) == before + hex("0163 03") + text("com") + hex("00"));
}
