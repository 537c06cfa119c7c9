#include "proto/base/checksum.hpp"
#include "proto/responder/icmp_error.hpp"
#include "proto/wire/ethernet.hpp"
#include "proto/wire/icmp.hpp"
#include "proto/wire/ipv4.hpp"
#include "proto/wire/ipv6.hpp"
#include "proto/wire/udp.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/port_unreachable.hpp"

#include <algorithm>
#include <array>
#include <vector>

using namespace tapioca;
using namespace tapioca::wire;
using tapioca::test::port_unreachable;

namespace {

const mac_address ours{{0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55}};
const mac_address guests{{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}};
const auto guest6 = ip_address::v6({0x2001, 0xdb8, 5, 0, 0, 0, 0, 0x10});
const auto remote6 = ip_address::v6({0x2001, 0xdb8, 7, 0, 0, 0, 0, 1});

icmp_error_request about(octet protocol, ip_family family, icmp_cause cause)
{
    icmp_error_request r;
    r.our_mac = ours;
    r.guest_mac = guests;
    r.protocol = protocol;
    r.cause = cause;
    const bool v4 = family == ip_family::ipv4;
    r.guest = {v4 ? ip_address::v4(198, 51, 100, 10) : guest6, 40000};
    r.remote = {v4 ? ip_address::v4(198, 51, 100, 1) : remote6, 9999};
    r.offender = r.remote.address;
    return r;
}

std::vector<octet> frame_of(const icmp_error_request& r)
{
    std::vector<octet> frame(1500);
    frame.resize(icmp_error(r, frame));
    return frame;
}

bytes_view l3(const std::vector<octet>& frame) { return bytes_view{frame}.subspan(sizeof(ethernet_header)); }

} // namespace

TEST_CASE("UDP to a closed port: 72 octets, the quoted header with identification 0, DF and TTL 255, then the payload")
{
    const std::array<octet, 2> payload{'h', 'i'};
    auto r = about(protocol_udp, ip_family::ipv4, port_unreachable(ip_family::ipv4));
    r.payload = payload;
    const auto frame = frame_of(r);
    const std::vector<octet> golden{
        0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55, 0x08, 0x00,                                     //
        0x45, 0x00, 0x00, 0x3a, 0x00, 0x00, 0x40, 0x00, 0xff, 0x01, 0x27, 0x50, 0xc6, 0x33, 0x64, 0x01, 0xc6, 0x33, 0x64, 0x0a, //
        0x03, 0x03, 0x51, 0x8b, 0x00, 0x00, 0x00, 0x00,                                                                         //
        0x45, 0x00, 0x00, 0x1e, 0x00, 0x00, 0x40, 0x00, 0xff, 0x11, 0x27, 0x5c, 0xc6, 0x33, 0x64, 0x0a, 0xc6, 0x33, 0x64, 0x01, //
        0x9c, 0x40, 0x27, 0x0f, 0x00, 0x0a, 0x7f, 0xae, 0x68, 0x69};
    CHECK(frame.size() == 72);
    CHECK(frame == golden);
}

TEST_CASE("every checksum of an ICMPv4 error about a long datagram verifies, and eight octets of it are quoted")
{
    const std::vector<octet> payload(1000, 0xa5);
    auto r = about(protocol_udp, ip_family::ipv4, too_big(ip_family::ipv4, 1400));
    r.offender = ip_address::v4(203, 0, 113, 1);
    r.payload = payload;
    const auto frame = frame_of(r);
    const auto outer = parse_ipv4(l3(frame));
    REQUIRE(outer);
    CHECK(outer->source == r.offender);
    CHECK(outer->payload.size() == 8 + 20 + 8 + 8);
    CHECK(folded(ones_sum(outer->payload)) == 0xffff);
    CHECK(folded(ones_sum(l3(frame).first(20))) == 0xffff);
    reader in{outer->payload};
    const auto error = in.take<icmp_header>();
    CHECK(error->type == 3);
    CHECK(error->code == 4);
    CHECK(error->sequence == 1400);
    CHECK(folded(ones_sum(in.rest().first(20))) == 0xffff);
    const auto ip = in.take<ipv4_header>();
    const auto udp = in.take<udp_header>();
    CHECK(ip->total_length == 1028);
    CHECK(udp->length == 1008);
    const std::uint64_t pseudo = pseudo_header_sum(r.guest.address, r.remote.address, protocol_udp, 1008);
    CHECK(folded(pseudo + ones_sum(octets_of(*udp)) + ones_sum(payload)) == 0xffff);
}

TEST_CASE("ICMPv6 errors quote what fits 1280 octets, and carry the MTU in 32 bits")
{
    const std::vector<octet> payload(4000, 0x5a);
    auto r = about(protocol_udp, ip_family::ipv6, too_big(ip_family::ipv6, 70000));
    r.payload = payload;
    const auto frame = frame_of(r);
    CHECK(frame.size() == sizeof(ethernet_header) + 1280);
    const auto outer = parse_ipv6(l3(frame));
    REQUIRE(outer);
    CHECK(outer->protocol == protocol_icmpv6);
    CHECK(outer->hop_limit == 255);
    CHECK(folded(pseudo_header_sum(outer->source, outer->destination, protocol_icmpv6, 1240) + ones_sum(outer->payload)) ==
          0xffff);
    reader in{outer->payload};
    const auto error = in.take<icmp_header>();
    CHECK(error->type == 2);
    CHECK(error->identifier == 1);
    CHECK(error->sequence == 70000 - 65536);
    const auto ip = in.take<ipv6_header>();
    CHECK(ip->payload_length == 4008);
    CHECK(ip->next_header == protocol_udp);
}

TEST_CASE("of a TCP segment ports and sequence number are quoted, no payload")
{
    const std::array<octet, 4> payload{1, 2, 3, 4};
    for (const auto family : {ip_family::ipv4, ip_family::ipv6}) {
        auto r = about(protocol_tcp, family, host_unreachable(family));
        r.sequence = 0x01020304;
        r.payload = payload;
        const auto frame = frame_of(r);
        const std::size_t ip = family == ip_family::ipv4 ? 20 : 40;
        REQUIRE(frame.size() == 14 + ip + 8 + ip + 8);
        const std::vector<octet> quoted(frame.end() - 8, frame.end());
        CHECK(quoted == std::vector<octet>{0x9c, 0x40, 0x27, 0x0f, 1, 2, 3, 4});
    }
}

TEST_CASE("a quoted echo request has its identifier, sequence number and checksum")
{
    const std::array<octet, 8> payload{1, 2, 3, 4, 5, 6, 7, 8};
    auto r = about(protocol_icmp, ip_family::ipv4, {icmpv4_time_exceeded, 0, 0});
    r.guest.port = 0x1234;
    r.sequence = 7;
    r.payload = payload;
    auto frame = frame_of(r);
    REQUIRE(frame.size() == 14 + 20 + 8 + 20 + 16);
    const auto quoted = bytes_view{frame}.last(16);
    CHECK(quoted[0] == icmpv4_echo_request);
    CHECK(quoted[4] == 0x12);
    CHECK(quoted[7] == 7);
    CHECK(folded(ones_sum(quoted)) == 0xffff);

    r.payload_length = 56; // only a part is known: nothing to compute the checksum from
    frame = frame_of(r);
    CHECK(frame[frame.size() - 14] == 0);
    CHECK(frame[frame.size() - 13] == 0);
    const auto ip = bytes_view{frame}.subspan(14 + 20 + 8);
    CHECK(ip[3] == 20 + 8 + 56);

    auto r6 = about(protocol_icmpv6, ip_family::ipv6, {icmpv6_time_exceeded, 0, 0});
    r6.payload = payload;
    const auto frame6 = frame_of(r6);
    const auto quoted6 = bytes_view{frame6}.last(16);
    CHECK(quoted6[0] == icmpv6_echo_request);
    CHECK(folded(pseudo_header_sum(r6.guest.address, r6.remote.address, protocol_icmpv6, 16) + ones_sum(quoted6)) == 0xffff);
}

TEST_CASE("a parameter problem keeps its pointer")
{
    const auto frame4 = frame_of(about(protocol_udp, ip_family::ipv4, {icmpv4_parameter_problem, 0, 20}));
    CHECK(frame4[14 + 20 + 4] == 20);
    CHECK(frame4[14 + 20 + 5] == 0);
    const auto frame6 = frame_of(about(protocol_udp, ip_family::ipv6, {icmpv6_parameter_problem, 1, 40}));
    CHECK(frame6[14 + 40 + 7] == 40);
}

TEST_CASE("what cannot be said yields no frame")
{
    CHECK(frame_of(about(protocol_udp, ip_family::ipv4, {icmpv4_echo_reply, 0, 0})).empty());
    CHECK(frame_of(about(protocol_udp, ip_family::ipv6, {icmpv6_echo_request, 0, 0})).empty());
    CHECK(frame_of(about(protocol_icmpv6, ip_family::ipv4, port_unreachable(ip_family::ipv4))).empty());
    CHECK(frame_of(about(132, ip_family::ipv4, port_unreachable(ip_family::ipv4))).empty());
    auto mixed = about(protocol_udp, ip_family::ipv4, port_unreachable(ip_family::ipv4));
    mixed.offender = remote6;
    CHECK(frame_of(mixed).empty());
    std::array<octet, 69> small{};
    CHECK(icmp_error(about(protocol_udp, ip_family::ipv4, port_unreachable(ip_family::ipv4)), small) == 0);
}
