#include "daemon/config/address_text.hpp"
#include "daemon/config/number_text.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;

TEST_CASE("addresses are read in both families and written back in their shortest form")
{
    CHECK(parse_ip("192.0.2.1") == ip_address::v4(192, 0, 2, 1));
    CHECK(parse_ip("2001:db8::1") == ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 1}));
    CHECK(to_text(*parse_ip("2001:0db8:0:0:0:0:0:0001")) == "2001:db8::1");
    CHECK(to_text(*parse_ip("10.1.2.3")) == "10.1.2.3");
    for (const auto* bad : {"", "1.2.3", "1.2.3.4.5", "256.0.0.1", "::ffff:1.2.3.4", "fe80::1%eth0", "[::1]", "host", " 1.2.3.4"})
        CHECK_FALSE(parse_ip(bad).has_value());
    CHECK_FALSE(parse_ip(std::string_view{"1.2.3.4\0x", 9}).has_value());
}

TEST_CASE("a MAC address is six pairs of digits between colons")
{
    CHECK(to_text(*parse_mac("9A:55:9a:00:0F:ff")) == "9a:55:9a:00:0f:ff");
    for (const auto* bad :
         {"", "9a:55:9a:55:9a", "9a:55:9a:55:9a:5", "9a-55-9a-55-9a-55", "9a:55:9a:55:9a:5g", "9a:55:9a:55:9a:55:01"})
        CHECK_FALSE(parse_mac(bad).has_value());
}

TEST_CASE("a prefix length is a number or a mask without holes")
{
    CHECK(parse_prefix_length4("0") == 0);
    CHECK(parse_prefix_length4("32") == 32);
    CHECK(parse_prefix_length4("0.0.0.0") == 0);
    CHECK(parse_prefix_length4("255.255.252.0") == 22);
    CHECK(parse_prefix_length4("255.255.255.255") == 32);
    for (const auto* bad : {"", "33", "-1", "255.0.255.0", "0.0.0.255", "ffff::", "24 "})
        CHECK_FALSE(parse_prefix_length4(bad).has_value());
}

TEST_CASE("the class of an IPv4 address gives its old prefix length")
{
    CHECK(class_prefix_length(ip_address::v4(10, 0, 0, 1)) == 8);
    CHECK(class_prefix_length(ip_address::v4(127, 255, 0, 1)) == 8);
    CHECK(class_prefix_length(ip_address::v4(128, 0, 0, 1)) == 16);
    CHECK(class_prefix_length(ip_address::v4(191, 255, 0, 1)) == 16);
    CHECK(class_prefix_length(ip_address::v4(192, 0, 2, 1)) == 24);
    CHECK(class_prefix_length(ip_address::v4(223, 0, 2, 1)) == 24);
    CHECK(class_prefix_length(ip_address::v4(240, 0, 0, 1)) == 32);
}

TEST_CASE("a number is digits alone and stays within its bound")
{
    CHECK(parse_number("0065520") == 65520);
    CHECK(parse_number("64", 64) == 64);
    CHECK_FALSE(parse_number("65", 64).has_value());
    for (const auto* bad : {"", "-1", "+1", "0x10", "1k", " 1", "18446744073709551616"})
        CHECK_FALSE(parse_number(bad).has_value());
}
