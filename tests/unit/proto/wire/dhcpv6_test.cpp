#include "proto/wire/dhcpv6.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"

using namespace tapioca;
using namespace tapioca::wire;
using namespace tapioca::test;

namespace {

const octets head = hex("03 aabbcc");
const octets address = hex("0005 0018 20010db8000500000000000000000010 00000e10 00001c20");

} // namespace

TEST_CASE("a DHCPv6 message's identifiers and associations are read, unknown options skipped")
{
    const auto wire = head + hex("0001 0004 00030001 0008 0002 0000 0002 0002 0102 0003 0028 00000007 00000e10 00001c20") +
                      address + hex("0004 0004 00000008 0019 000c 00000009 00000000 00000000 000e 0000 0027 0002 0100");
    const auto m = parse_dhcpv6(wire);
    REQUIRE(m);
    CHECK(m->type == dhcpv6_type::request);
    CHECK(m->transaction == std::array<octet, 3>{0xaa, 0xbb, 0xcc});
    CHECK(copy(m->client_id) == hex("00030001"));
    REQUIRE(m->server_id);
    CHECK(copy(*m->server_id) == hex("0102"));
    REQUIRE(m->ias.size() == 3);
    CHECK(m->ias[0].code == dhcpv6_ia_na);
    CHECK(m->ias[0].identifier == 7);
    REQUIRE(m->ias[0].addresses.size() == 1);
    CHECK(m->ias[0].addresses[0] == ip_address::v6({0x2001, 0xdb8, 5, 0, 0, 0, 0, 0x10}));
    CHECK(m->ias[1].code == dhcpv6_ia_ta);
    CHECK(m->ias[1].identifier == 8);
    CHECK(m->ias[2].code == dhcpv6_ia_pd);
    CHECK(m->ias[2].identifier == 9);
    CHECK(m->rapid_commit);
    CHECK(m->fqdn_flags == octet{1});
}

TEST_CASE("more associations and addresses than anybody needs are ignored")
{
    auto wire = head;
    octets addresses;
    for (int i = 0; i < 6; ++i)
        addresses = addresses + address;
    wire = wire + hex("0003 00b4 00000000 00000000 00000000") + addresses;
    for (int i = 0; i < 20; ++i)
        wire = wire + hex("0004 0004 00000008");
    const auto m = parse_dhcpv6(wire);
    REQUIRE(m);
    CHECK(m->ias.size() == most_ias);
    CHECK(m->ias[0].addresses.size() == most_ia_addresses);
}

TEST_CASE("DHCPv6 messages that contradict themselves are refused")
{
    CHECK(parse_dhcpv6(hex("03 aabb")).why() == drop_reason::truncated);
    for (const auto* type : {"00", "0c", "0d", "ff"})
        CHECK(parse_dhcpv6(hex(type) + hex("aabbcc")).why() == drop_reason::bad_type);
    for (const auto* options :
         {"0001 00", "0001 0004 000300", "0001 0000", "0003 0004 00000007", "0004 0003 000000",
          "0003 0010 00000007 00000000 00000000 0005 0018", "0003 0012 00000007 00000000 00000000 0005 0002 0000", "0027 0000"})
        CHECK(parse_dhcpv6(head + hex(options)).why() == drop_reason::bad_option);
    CHECK(parse_dhcpv6(head + hex("0001 0082") + octets(130)));
    CHECK(parse_dhcpv6(head + hex("0001 0083") + octets(131)).why() == drop_reason::bad_option);
}
