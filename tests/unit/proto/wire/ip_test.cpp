#include "proto/wire/ipv4.hpp"
#include "proto/wire/ipv6.hpp"
#include "tests/support/catch.hpp"

#include <vector>

using namespace tapioca;
using namespace tapioca::wire;

namespace {

std::vector<octet> ipv6_with(octet first, std::vector<octet> payload, std::size_t padding = 0)
{
    ipv6_fields f;
    f.source = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 1});
    f.destination = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 2});
    f.next_header = first;
    const auto h = make_ipv6(f, payload.size());
    const auto octets = octets_of(h);
    std::vector<octet> packet(octets.begin(), octets.end());
    packet.insert(packet.end(), payload.begin(), payload.end());
    packet.resize(packet.size() + padding);
    return packet;
}

} // namespace

TEST_CASE("an IPv4 header that we make parses back, its checksum verifies, padding is cut")
{
    ipv4_fields f;
    f.source = ip_address::v4(192, 0, 2, 1);
    f.destination = ip_address::v4(198, 51, 100, 7);
    f.protocol = protocol_udp;
    f.tos = 0x10;
    const auto h = make_ipv4(f, 8);
    CHECK(folded(ones_sum(octets_of(h))) == 0xffff);
    const auto octets = octets_of(h);
    std::vector<octet> packet(octets.begin(), octets.end());
    packet.resize(46);
    const auto p = parse_ipv4(packet);
    REQUIRE(p);
    CHECK(p->source == f.source);
    CHECK(p->payload.size() == 8);
    CHECK(p->tos == 0x10);
    CHECK(p->dont_fragment);
}

TEST_CASE("IPv4 lengths that lie are refused")
{
    std::vector<octet> packet(28);
    packet[0] = 0x45;
    packet[3] = 29;
    CHECK(parse_ipv4(packet).why() == drop_reason::bad_length);
    packet[3] = 19;
    CHECK(parse_ipv4(packet).why() == drop_reason::bad_length);
    packet[0] = 0x44;
    CHECK(parse_ipv4(packet).why() == drop_reason::bad_header_length);
    packet[0] = 0x48;
    CHECK(parse_ipv4(packet).why() == drop_reason::bad_header_length);
    packet[0] = 0x65;
    CHECK(parse_ipv4(packet).why() == drop_reason::bad_version);
    packet.resize(19);
    CHECK(parse_ipv4(packet).why() == drop_reason::truncated);
}

TEST_CASE("a padded IPv6 frame is accepted and its padding cut")
{
    const auto packet = ipv6_with(protocol_udp, {1, 2, 3, 4}, 6);
    const auto p = parse_ipv6(packet);
    REQUIRE(p);
    CHECK(p->payload.size() == 4);
    CHECK(p->header_length == 40);
}

TEST_CASE("UDP behind a destination-options header is found where it stands")
{
    const auto packet = ipv6_with(protocol_destination_options, {protocol_udp, 0, 1, 4, 0, 0, 0, 0, 0xaa, 0xbb});
    const auto p = parse_ipv6(packet);
    REQUIRE(p);
    CHECK(p->protocol == protocol_udp);
    CHECK(p->header_length == 48);
    REQUIRE(p->payload.size() == 2);
    CHECK(p->payload[0] == 0xaa);
}

TEST_CASE("extension header chains that end nowhere, repeat or lie are refused")
{
    CHECK(parse_ipv6(ipv6_with(protocol_no_next, {})).why() == drop_reason::extension_header);
    CHECK(parse_ipv6(ipv6_with(protocol_destination_options, {protocol_udp, 1, 0, 0, 0, 0, 0, 0})).why() ==
          drop_reason::truncated);
    const std::vector<octet> hop_behind{protocol_hop_by_hop, 0, 0, 0, 0, 0, 0, 0, protocol_udp, 0, 0, 0, 0, 0, 0, 0};
    CHECK(parse_ipv6(ipv6_with(protocol_destination_options, hop_behind)).why() == drop_reason::extension_header);
    std::vector<octet> endless;
    for (int i = 0; i < 12; ++i)
        endless.insert(endless.end(), {protocol_destination_options, 0, 0, 0, 0, 0, 0, 0});
    CHECK(parse_ipv6(ipv6_with(protocol_destination_options, endless)).why() == drop_reason::extension_header);
}

TEST_CASE("an atomic fragment is a whole packet, a real one stops the walk")
{
    const auto atomic = parse_ipv6(ipv6_with(protocol_fragment, {protocol_udp, 0, 0, 0, 0, 0, 0, 9, 0xaa}));
    REQUIRE(atomic);
    CHECK(atomic->fragment);
    CHECK(atomic->protocol == protocol_udp);
    CHECK(!atomic->more_fragments);

    const auto second = parse_ipv6(ipv6_with(protocol_fragment, {protocol_destination_options, 0, 0x05, 0xa8, 0, 0, 0, 9, 0xaa}));
    REQUIRE(second);
    CHECK(second->fragment_offset == 1448);
    CHECK(second->identification == 9);
    CHECK(second->protocol == protocol_destination_options);
}
