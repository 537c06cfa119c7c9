#include "proto/policy/address_class.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;

namespace {

constexpr auto metadata = address_class::metadata, lan = address_class::lan, host = address_class::host;
constexpr ip_address v6(std::uint16_t a, std::uint16_t b, std::uint16_t c, std::uint16_t d, std::uint16_t g, std::uint16_t h)
{
    return ip_address::v6({a, b, c, d, 0, 0, g, h});
}

host_places places()
{
    host_places p;
    p.own = {ip_address::v4(203, 0, 113, 9), v6(0x2001, 0xdb8, 9, 0, 0, 9)};
    p.reachable = {{ip_address::v4(198, 51, 100, 0), 24}, {v6(0x2001, 0xdb8, 7, 0, 0, 0), 64}};
    return p;
}

} // namespace

TEST_CASE("an address has the classes that it is of, and those of the address that it carries")
{
    const struct {
        ip_address address;
        class_set expected;
    } rows[] = {
        {ip_address::v4(192, 0, 2, 1), {}},
        {v6(0x2001, 0xdb8, 1, 0, 0, 1), {}},
        {ip_address::v4(169, 254, 169, 254), {metadata, lan}},
        {ip_address::v4(169, 254, 170, 2), {metadata, lan}},
        {ip_address::v4(168, 63, 129, 16), {metadata}},
        {ip_address::v4(100, 100, 100, 200), {metadata, lan}},
        {v6(0xfd00, 0xec2, 0, 0, 0, 0x254), {metadata, lan}},
        {ip_address::v4(10, 255, 255, 255), {lan}},
        {ip_address::v4(172, 16, 0, 0), {lan}},
        {ip_address::v4(172, 32, 0, 0), {}},
        {ip_address::v4(192, 168, 1, 1), {lan}},
        {ip_address::v4(100, 127, 255, 255), {lan}},
        {ip_address::v4(100, 128, 0, 0), {}},
        {v6(0xfdff, 1, 0, 0, 0, 1), {lan}},
        {v6(0xfe80, 0, 0, 0, 0, 1), {lan}},
        {v6(0xfec0, 0, 0, 0, 0, 1), {lan}},
        {ip_address::v4(224, 0, 0, 251), {lan}},
        {v6(0xff0e, 0, 0, 0, 0, 1), {lan}},
        {ip_address::v4(255, 255, 255, 255), {lan}},
        {ip_address::v4(127, 0, 0, 53), {host}},
        {ip_address::loopback(ip_family::ipv6), {host}},
        {ip_address::v4(0, 0, 0, 0), {host}},
        {ip_address{}, {host}},
        {ip_address::v4(203, 0, 113, 9), {host}},
        {v6(0x2001, 0xdb8, 9, 0, 0, 9), {host}},
        {ip_address::v4(198, 51, 100, 77), {lan}},
        {v6(0x2001, 0xdb8, 7, 0, 1, 2), {lan}},
        // 10.0.0.1, 127.0.0.1, 169.254.169.254 and 192.0.2.1 inside of IPv6
        {v6(0x64, 0xff9b, 0, 0, 0x0a00, 1), {lan}},
        {v6(0x64, 0xff9b, 0, 0, 0x7f00, 1), {host}},
        {v6(0x64, 0xff9b, 0, 0, 0xa9fe, 0xa9fe), {metadata, lan}},
        {v6(0x64, 0xff9b, 0, 0, 0xc000, 0x201), {}},
        {v6(0x64, 0xff9b, 1, 0, 0x0a00, 1), {lan}},
        {ip_address::v6({0x64, 0xff9b, 1, 0x0a00, 0x0000, 0x0100, 0, 0}), {lan}},
        {v6(0x2002, 0x0a00, 1, 0, 0, 1), {lan}},
        {v6(0x2002, 0xc000, 0x201, 0, 0, 1), {}},
        {v6(0, 0, 0, 0, 0x7f00, 1), {host}},
    };
    for (const auto& row : rows) {
        INFO(static_cast<int>(&row - rows));
        CHECK(classes_of(places(), row.address) == row.expected);
    }
}
