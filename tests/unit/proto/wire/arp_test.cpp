#include "proto/wire/arp.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"

using namespace tapioca;
using namespace tapioca::wire;
using namespace tapioca::test;

TEST_CASE("an ARP message that we make parses back, with padding behind it")
{
    const arp_message m{arp_reply_operation,
                        {{2, 0, 0, 0, 0, 1}},
                        ip_address::v4(192, 0, 2, 1),
                        {{2, 0, 0, 0, 0, 2}},
                        ip_address::v4(192, 0, 2, 2)};
    const auto made = make_arp(m);
    const auto wire = copy(octets_of(made));
    CHECK(wire == hex("0001 0800 06 04 0002 020000000001 c0000201 020000000002 c0000202"));
    const auto p = parse_arp(wire + octets(18));
    REQUIRE(p);
    CHECK(p->operation == arp_reply_operation);
    CHECK(p->sender_mac == m.sender_mac);
    CHECK(p->sender == m.sender);
    CHECK(p->target_mac == m.target_mac);
    CHECK(p->target == m.target);
}

TEST_CASE("ARP of other links and networks, with wrong lengths or cut short is refused")
{
    const auto good = hex("0001 0800 06 04 0001 020000000001 c0000201 000000000000 c0000202");
    auto packet = good;
    packet[1] = 6;
    CHECK(parse_arp(packet).why() == drop_reason::bad_type);
    packet = good;
    packet[2] = 0x86;
    CHECK(parse_arp(packet).why() == drop_reason::bad_type);
    packet = good;
    packet[4] = 8;
    CHECK(parse_arp(packet).why() == drop_reason::bad_length);
    packet = good;
    packet[5] = 16;
    CHECK(parse_arp(packet).why() == drop_reason::bad_length);
    packet = good;
    packet.pop_back();
    CHECK(parse_arp(packet).why() == drop_reason::truncated);
}
