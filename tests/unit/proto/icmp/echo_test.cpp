#include "proto/icmp/echo.hpp"
#include "proto/wire/icmp.hpp"
#include "tests/support/catch.hpp"

#include <vector>

namespace tapioca {
namespace {

constexpr auto guest4 = ip_address::v4(192, 0, 2, 9);
constexpr auto remote4 = ip_address::v4(198, 51, 100, 1);
constexpr auto guest6 = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 9});
constexpr auto remote6 = ip_address::v6({0x2001, 0xdb8, 1, 0, 0, 0, 0, 1});

std::vector<octet> message(octet type, std::uint16_t identifier, std::size_t payload)
{
    std::vector<octet> m(sizeof(wire::icmp_header) + payload);
    wire::icmp_header h{};
    h.type = type;
    h.identifier = identifier;
    h.sequence = 7;
    h.checksum = 0xdead;
    writer{m}.put(h);
    for (std::size_t i = 0; i < payload; ++i)
        m[sizeof h + i] = static_cast<octet>(i);
    return m;
}

} // namespace

TEST_CASE("only echo requests of the right family are requests")
{
    CHECK(parse_echo_request(ip_family::ipv4, message(8, 77, 0))->identifier == 77);
    CHECK(parse_echo_request(ip_family::ipv6, message(128, 77, 3))->sequence == 7);
    CHECK(parse_echo_request(ip_family::ipv4, message(128, 77, 0)).why() == drop_reason::bad_type);
    CHECK(parse_echo_request(ip_family::ipv6, message(8, 77, 0)).why() == drop_reason::bad_type);
    CHECK(parse_echo_request(ip_family::ipv4, message(0, 77, 0)).why() == drop_reason::bad_type);
    CHECK(parse_echo_request(ip_family::ipv4, message(3, 77, 0)).why() == drop_reason::bad_type);
    auto coded = message(8, 77, 0);
    coded[1] = 1;
    CHECK(parse_echo_request(ip_family::ipv4, coded).why() == drop_reason::bad_type);
    const auto whole = message(8, 77, 0);
    CHECK(parse_echo_request(ip_family::ipv4, bytes_view{whole}.first(7)).why() == drop_reason::truncated);
}

TEST_CASE("a request becomes a reply that its sender accepts")
{
    auto request4 = message(8, 77, 3), request6 = message(128, 77, 3);
    turn_into_reply(ip_family::ipv4, request4);
    turn_into_reply(ip_family::ipv6, request6);
    CHECK(readdress_echo_reply(request4, remote4, guest4, 77));
    CHECK(readdress_echo_reply(request6, remote6, guest6, 77));
    CHECK(checksum_of(ones_sum(request4)) == 0);
    CHECK(request4.back() == 2);
}

TEST_CASE("an IPv4 reply gets the guest's identifier and a right checksum, whatever the length")
{
    for (const std::size_t payload : {0U, 1U, 56U, 65000U}) {
        auto m = message(0, 4242, payload);
        REQUIRE(readdress_echo_reply(m, remote4, guest4, 77));
        CHECK((m[4] << 8 | m[5]) == 77);
        CHECK((m[6] << 8 | m[7]) == 7);
        CHECK(checksum_of(ones_sum(m)) == 0);
    }
}

TEST_CASE("an IPv6 reply's checksum covers the addresses that the guest knows")
{
    for (const std::size_t payload : {0U, 1U, 56U, 65000U}) {
        auto m = message(129, 4242, payload);
        REQUIRE(readdress_echo_reply(m, remote6, guest6, 77));
        CHECK((m[4] << 8 | m[5]) == 77);
        const auto pseudo = pseudo_header_sum(remote6, guest6, wire::protocol_icmpv6, static_cast<std::uint32_t>(m.size()));
        CHECK(checksum_of(pseudo + ones_sum(m)) == 0);
    }
}

TEST_CASE("what is no reply is left alone")
{
    for (auto m : {message(8, 1, 8), message(129, 1, 8), message(3, 1, 8), std::vector<octet>(7)}) {
        const auto before = m;
        CHECK_FALSE(readdress_echo_reply(m, remote4, guest4, 77));
        CHECK(m == before);
    }
}

} // namespace tapioca
