#include "proto/base/checksum.hpp"
#include "proto/icmp/path_mtu.hpp"
#include "proto/wire/icmp.hpp"
#include "proto/wire/ipv4.hpp"
#include "proto/wire/ipv6.hpp"
#include "tests/support/catch.hpp"

namespace tapioca {
namespace {

constexpr auto router4 = ip_address::v4(192, 0, 2, 1);
constexpr auto guest4 = ip_address::v4(192, 0, 2, 9);
constexpr auto remote4 = ip_address::v4(198, 51, 100, 1);
constexpr auto router6 = ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, 1});
constexpr auto guest6 = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 9});
constexpr auto remote6 = ip_address::v6({0x2001, 0xdb8, 1, 0, 0, 0, 0, 1});

} // namespace

TEST_CASE("RFC 1191 section 4: the MTU, and a packet from the guest to the remote that no socket sent")
{
    std::array<octet, longest_path_mtu_message> room{};
    const auto length = path_mtu_message({router4, guest4, remote4, 1500}, room);
    REQUIRE(length == 8 + 20 + 8);
    const auto m = bytes_view{room}.first(length);
    CHECK(m[0] == wire::icmpv4_unreachable);
    CHECK(m[1] == wire::icmpv4_code_fragmentation_needed);
    CHECK((m[6] << 8 | m[7]) == 1500);
    CHECK(checksum_of(ones_sum(m)) == 0);

    CHECK(checksum_of(ones_sum(m.subspan(8, 20))) == 0); // the quoted header stands as it was
    CHECK(m[8 + 9] == wire::protocol_icmp);
    CHECK(ip_address{ipv4_octets{m[20], m[21], m[22], m[23]}} == guest4);
    CHECK(ip_address{ipv4_octets{m[24], m[25], m[26], m[27]}} == remote4);
    CHECK(m[28] == wire::icmpv4_echo_reply);
}

TEST_CASE("RFC 4443 section 3.2: packet too big with its 32-bit MTU")
{
    std::array<octet, longest_path_mtu_message> room{};
    const auto length = path_mtu_message({router6, guest6, remote6, 66000}, room);
    REQUIRE(length == longest_path_mtu_message);
    const auto m = bytes_view{room};
    CHECK(m[0] == wire::icmpv6_packet_too_big);
    CHECK(m[1] == 0);
    CHECK((m[4] << 24 | m[5] << 16 | m[6] << 8 | m[7]) == 66000);
    const auto pseudo = pseudo_header_sum(router6, guest6, wire::protocol_icmpv6, static_cast<std::uint32_t>(length));
    CHECK(checksum_of(pseudo + ones_sum(m)) == 0);
    CHECK(m[8 + 6] == wire::protocol_icmpv6);
    CHECK(m[48] == wire::icmpv6_echo_reply);
}

TEST_CASE("an MTU beyond IPv4's field is the largest that the field has")
{
    std::array<octet, longest_path_mtu_message> room{};
    REQUIRE(path_mtu_message({router4, guest4, remote4, 65536}, room) != 0);
    CHECK((room[6] << 8 | room[7]) == 0xffff);
}

TEST_CASE("without room there is no message")
{
    std::array<octet, longest_path_mtu_message - 1> room{};
    CHECK(path_mtu_message({router6, guest6, remote6, 1500}, room) == 0);
}

} // namespace tapioca
