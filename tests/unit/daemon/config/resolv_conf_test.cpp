#include "daemon/config/resolv_conf.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace tapioca;

TEST_CASE("resolvers are taken in order, without their zones")
{
    const auto parsed = parse_resolv_conf("# made by hand\n"
                                          "nameserver 192.0.2.53\n"
                                          "nameserver\t2001:db8::53 \r\n"
                                          "nameserver fe80::1%eth0\n"
                                          "options edns0\n"
                                          "nameserver 127.0.0.53 # stub\n");
    REQUIRE(parsed.resolvers.size() == 4);
    CHECK(parsed.resolvers[0] == ip_address::v4(192, 0, 2, 53));
    CHECK(parsed.resolvers[1] == ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53}));
    CHECK(parsed.resolvers[2] == ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, 1}));
    CHECK(parsed.resolvers[3] == ip_address::v4(127, 0, 0, 53));
    CHECK(parsed.search.empty());
}

TEST_CASE("the first search line counts, word by word")
{
    const auto parsed = parse_resolv_conf("domain example.net\nsearch  a.example\tb.example  \nsearch c.example");
    CHECK(parsed.search == std::vector<std::string>{"a.example", "b.example"});
}

TEST_CASE("what is no resolver is skipped")
{
    const auto parsed =
        parse_resolv_conf("nameserver\nnameserver \nnameserver example.org\nnameserver 1.2.3\n nameserver 192.0.2.1\n"
                          "nameservers 192.0.2.2\nnameserver 192.0.2.3");
    REQUIRE(parsed.resolvers.size() == 1);
    CHECK(parsed.resolvers[0] == ip_address::v4(192, 0, 2, 3));
    CHECK(parse_resolv_conf("").resolvers.empty());
    CHECK(parse_resolv_conf(std::string("nameserver 192.0.2.1\0x\n", 24)).resolvers.empty());
}

TEST_CASE("a file that cannot be read has no resolvers")
{
    CHECK(read_resolv_conf("/nonexistent/resolv.conf").error().value() == ENOENT);
    CHECK(read_resolv_conf("/").error().value() == EISDIR);
}
