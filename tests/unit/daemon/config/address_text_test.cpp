#include "daemon/config/address_text.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;

TEST_CASE("addresses survive the way to text and back")
{
    for (const char* text : {"0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::1:0:0:1", "fe80::abcd"}) {
        const auto address = address_from_text(text);
        REQUIRE(address);
        CHECK(to_text(*address) == text);
    }
    CHECK(to_text(prefix{ip_address::v4(192, 0, 2, 0), 24}) == "192.0.2.0/24");
    CHECK(to_text(mac_address{{0x9a, 0x55, 0x9a, 0x05, 0xff, 0}}) == "9a:55:9a:05:ff:00");
}

TEST_CASE("what is around an address makes it none")
{
    for (const char* text :
         {"", " ", "192.0.2.1 ", "192.0.2", "192.0.2.256", "fe80::1%eth0", "2001:db8::/32", "example.org", ":::"})
        CHECK_FALSE(address_from_text(text));
    CHECK_FALSE(address_from_text(std::string_view("::1\0", 4)));
}
