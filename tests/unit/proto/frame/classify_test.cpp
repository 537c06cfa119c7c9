#include "proto/frame/classify.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/guest_frames.hpp"

#include <algorithm>
#include <functional>

using namespace tapioca;
using namespace tapioca::test;

namespace {

constexpr std::size_t ip = sizeof(wire::ethernet_header);
constexpr auto guest4 = ip_address::v4(198, 51, 100, 10), remote4 = ip_address::v4(203, 0, 113, 9);
constexpr auto guest6 = ip_address::v6({0x2001, 0xdb8, 5, 0, 0, 0, 0, 0x10}),
               remote6 = ip_address::v6({0x2001, 0xdb8, 9, 0, 0, 0, 0, 9});
constexpr auto loopback4 = ip_address::v4(127, 8, 0, 1), loopback6 = ip_address::v6({0, 0, 0, 0, 0, 0, 0, 1});
constexpr auto mapped = ip_address::v6({0, 0, 0, 0, 0, 0xffff, 0xc633, 0x640a});
constexpr octet no_protocol = 132;

/// A packet between these, with ports 43001 and 80 where it has ports.
octet_vector frame_of(octet protocol, const ip_address& from, const ip_address& to, const ip_choices& c = {},
                      std::size_t upper = 20)
{
    octet_vector behind_ip{0xa7, 0xf9, 0, 80};
    behind_ip.resize(upper);
    return ip_frame({from, to, std::uint16_t{43'001}, std::uint16_t{80}, protocol}, protocol, behind_ip, c);
}
octet_vector frame4(octet protocol, const ip_choices& c = {}, std::size_t upper = 20)
{
    return frame_of(protocol, guest4, remote4, c, upper);
}
octet_vector frame6(octet protocol, const ip_choices& c = {}, std::size_t upper = 20)
{
    return frame_of(protocol, guest6, remote6, c, upper);
}

octet_vector changed(octet_vector frame, std::size_t at, octet value)
{
    frame.at(at) = value;
    return frame;
}
octet_vector cut(octet_vector frame, std::size_t size)
{
    frame.resize(size);
    return frame;
}

/// drop_reason::count_ if it is a packet.
drop_reason reason_of(const octet_vector& frame)
{
    const auto p = classify(frame);
    return p ? drop_reason::count_ : p.why();
}

} // namespace

TEST_CASE("a frame that is no packet is dropped for its reason")
{
    const auto tcp4 = frame4(wire::protocol_tcp), tcp6 = frame6(wire::protocol_tcp);
    constexpr octet bridge_group[] = {0x01, 0x80, 0xc2, 0, 0, 0x0e};
    auto to_bridges = tcp4;
    std::copy(std::begin(bridge_group), std::end(bridge_group), to_bridges.begin());
    const struct {
        const char* what;
        octet_vector frame;
        drop_reason why;
    } rows[] = {
        {"no frame at all", {}, drop_reason::truncated},
        {"an Ethernet header without its end", cut(tcp4, ip - 1), drop_reason::truncated},
        {"a VLAN's", changed(changed(tcp4, 12, 0x81), 13, 0), drop_reason::unknown_ethertype},
        {"a length in the place of the type", changed(tcp4, 12, 0), drop_reason::unknown_ethertype},
        {"an IPv4 header without its end", cut(tcp4, ip + 19), drop_reason::truncated},
        {"an IPv6 header without its end", cut(tcp6, ip + 39), drop_reason::truncated},
        {"IPv6 that is called IPv4", changed(tcp4, ip, 0x65), drop_reason::bad_version},
        {"IPv4 that is called IPv6", changed(tcp6, ip, 0x40), drop_reason::bad_version},
        {"an IPv4 header of 16 octets", changed(tcp4, ip, 0x44), drop_reason::bad_header_length},
        {"an IPv4 packet behind the frame's end", changed(tcp4, ip + 3, 41), drop_reason::bad_length},
        {"an IPv6 packet behind the frame's end", changed(tcp6, ip + 5, 21), drop_reason::bad_length},
        {"IPv6 with nothing next", frame6(wire::protocol_no_next), drop_reason::extension_header},
        {"from the loopback", frame_of(wire::protocol_udp, loopback4, remote4), drop_reason::loopback_address},
        {"to the loopback", frame_of(wire::protocol_udp, guest4, loopback4), drop_reason::loopback_address},
        {"from the loopback of IPv6", frame_of(wire::protocol_udp, loopback6, remote6), drop_reason::loopback_address},
        {"to the loopback of IPv6", frame_of(wire::protocol_udp, guest6, loopback6), drop_reason::loopback_address},
        {"a fragment to the loopback", frame_of(wire::protocol_udp, guest4, loopback4, {.more_fragments = true}),
         drop_reason::loopback_address},
        {"spanning tree", changed(to_bridges, 12, 0), drop_reason::link_protocol},
        {"LLDP", changed(changed(to_bridges, 12, 0x88), 13, 0xcc), drop_reason::link_protocol},
        {"IGMP", frame4(wire::protocol_igmp), drop_reason::group_membership},
        {"IGMP in IPv6", frame6(wire::protocol_igmp), drop_reason::unknown_protocol},
        {"IPv4 of no protocol", frame4(no_protocol), drop_reason::unknown_protocol},
        {"IPv6 of no protocol", frame6(no_protocol), drop_reason::unknown_protocol},
        {"ICMP in IPv6", frame6(wire::protocol_icmp), drop_reason::unknown_protocol},
        {"ICMPv6 in IPv4", frame4(wire::protocol_icmpv6), drop_reason::unknown_protocol},
        {"TCP with half its ports", frame4(wire::protocol_tcp, {}, 3), drop_reason::truncated},
        {"UDP of IPv6 with half its ports", frame6(wire::protocol_udp, {}, 3), drop_reason::truncated},
    };
    for (const auto& row : rows) {
        CAPTURE(row.what);
        CHECK(drop_reason_names[index(std::min(reason_of(row.frame), drop_reason::link_protocol))] ==
              drop_reason_names[index(row.why)]);
    }
}

TEST_CASE("IPv4 addresses that are written as IPv6 are on no wire")
{
    for (const std::size_t at : {ip + 8, ip + 24}) {
        auto frame = frame6(wire::protocol_udp);
        std::copy_n(mapped.octets().begin(), mapped.octets().size(), frame.begin() + static_cast<std::ptrdiff_t>(at));
        CHECK(reason_of(frame) == drop_reason::not_unicast);
    }
}

TEST_CASE("each kind of packet is known, with its ports and where its upper layer begins")
{
    const ip_choices first{.more_fragments = true}, last{.fragment_offset = 16};
    const struct {
        const char* what;
        octet_vector frame;
        packet_kind kind;
        std::uint16_t l4_offset;
    } rows[] = {
        {"TCP", frame4(wire::protocol_tcp), packet_kind::tcp, ip + 20},
        {"UDP", frame4(wire::protocol_udp), packet_kind::udp, ip + 20},
        {"ICMP", frame4(wire::protocol_icmp), packet_kind::icmp, ip + 20},
        {"TCP of IPv6", frame6(wire::protocol_tcp), packet_kind::tcp, ip + 40},
        {"UDP of IPv6", frame6(wire::protocol_udp), packet_kind::udp, ip + 40},
        {"ICMPv6", frame6(wire::protocol_icmpv6), packet_kind::icmpv6, ip + 40},
        {"a first fragment", frame4(wire::protocol_udp, first), packet_kind::fragment, ip + 20},
        {"a last fragment", frame4(wire::protocol_udp, last), packet_kind::fragment, ip + 20},
        {"a fragment of no protocol that we know", frame4(no_protocol, first), packet_kind::fragment, ip + 20},
        {"a first fragment of IPv6", frame6(wire::protocol_udp, first), packet_kind::fragment, ip + 48},
        {"a last fragment of IPv6", frame6(wire::protocol_udp, last), packet_kind::fragment, ip + 48},
        // RFC 6946: all of a datagram behind a fragment header is no fragment
        {"an atomic fragment", changed(frame6(wire::protocol_udp, first), ip + 43, 0), packet_kind::udp, ip + 48},
    };
    for (const auto& row : rows) {
        CAPTURE(row.what);
        const auto p = classify(row.frame);
        REQUIRE(p);
        CHECK(p->kind == row.kind);
        CHECK(p->l4.data() == row.frame.data() + row.l4_offset);
        CHECK(p->l4.size() == 20);
        CHECK(p->l3.data() == row.frame.data() + ip);
        const bool v4 = row.frame[ip] >> 4 == 4, has_ports = row.kind == packet_kind::tcp || row.kind == packet_kind::udp;
        CHECK(p->source == (v4 ? guest4 : guest6));
        CHECK(p->destination == (v4 ? remote4 : remote6));
        CHECK(p->source_port == (has_ports ? 43'001 : 0));
        CHECK(p->destination_port == (has_ports ? 80 : 0));
        CHECK(p->source_mac == guest_mac);
        CHECK(p->destination_mac == our_mac);
    }
}

TEST_CASE("what the guest asks of the way is told: hop limit, class of service, and whether there may be fragments")
{
    for (const bool dont : {true, false}) {
        const ip_choices c{.ttl = 7, .tos = 0xb8, .dont_fragment = dont};
        const auto four = classify(frame4(wire::protocol_udp, c)), six = classify(frame6(wire::protocol_udp, c));
        REQUIRE((four && six));
        for (const auto* p : {&*four, &*six}) {
            CHECK(p->ttl == 7);
            CHECK(p->tos == 0xb8);
        }
        CHECK(four->dont_fragment == dont);
        CHECK(six->dont_fragment); // RFC 8200 section 5: routers do not fragment
    }
}

TEST_CASE("options and padding are no part of the upper layer")
{
    auto frame = frame4(wire::protocol_udp);
    frame.insert(frame.begin() + ip + 20, {1, 1, 1, 1}); // no operation, four times
    frame[ip] = 0x46;
    frame[ip + 3] = 44;
    frame.resize(60);
    const auto p = classify(frame);
    REQUIRE(p);
    CHECK(p->l4.data() == frame.data() + ip + 24);
    CHECK(p->l4.size() == 20);
    CHECK(p->destination_port == 80);
}

TEST_CASE("ARP is whatever stands behind its Ethernet header")
{
    const auto arp = changed(frame4(wire::protocol_tcp), 13, 0x06);
    const auto p = classify(arp), nothing = classify(bytes_view{arp}.first(ip));
    REQUIRE((p && nothing));
    CHECK(p->kind == packet_kind::arp);
    CHECK(p->l3.size() == arp.size() - ip);
    CHECK(nothing->l3.empty());
}

TEST_CASE("a datagram that was put together is judged by its protocol and its ports")
{
    const auto frame = frame4(wire::protocol_udp, {.more_fragments = true});
    const auto fragment = classify(frame);
    REQUIRE(fragment);
    const auto whole = classify_upper(*fragment, wire::protocol_udp);
    REQUIRE(whole);
    CHECK(whole->kind == packet_kind::udp);
    CHECK(whole->source_port == 43'001);
    CHECK(classify_upper(*fragment, no_protocol).why() == drop_reason::unknown_protocol);
    auto nothing = *fragment;
    nothing.l4 = {};
    CHECK(classify_upper(nothing, wire::protocol_tcp).why() == drop_reason::truncated);
}
