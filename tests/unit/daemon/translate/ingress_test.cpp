#include "proto/base/checksum.hpp"
#include "tests/unit/daemon/translate/ingress_world.hpp"

#include <chrono>

using namespace tapioca;
using namespace tapioca::test;
using report::counter;
using report::event_kind;

namespace {

const auto stray4 = key_between(guest4, remote4, wire::protocol_tcp, 80),
           stray6 = key_between(guest6, remote6, wire::protocol_tcp, 80);
constexpr mac_address another_mac{{0x52, 0x54, 0, 0xbb, 0xbb, 0xbb}}, group_mac{{0x01, 0, 0x5e, 0, 0, 1}};

octet_vector with_macs(octet_vector frame, const mac_address& to, const mac_address& from = guest_mac)
{
    std::copy(to.octets.begin(), to.octets.end(), frame.begin());
    std::copy(from.octets.begin(), from.octets.end(), frame.begin() + 6);
    return frame;
}

octet_vector icmpv6(octets message, const ip_address& to)
{
    const auto pseudo =
        pseudo_header_sum(guest_link_local, to, wire::protocol_icmpv6, static_cast<std::uint32_t>(message.size()));
    const auto sum = checksum_of(pseudo + ones_sum(message));
    message[2] = static_cast<octet>(sum >> 8);
    message[3] = static_cast<octet>(sum);
    return ip_frame(key_between(guest_link_local, to, 0, 0), wire::protocol_icmpv6, message, {.ttl = 255});
}

octet_vector router_solicitation() { return icmpv6(hex("85 00 0000 00000000"), ip_address::v6({0xff02, 0, 0, 0, 0, 0, 0, 2})); }

octet_vector dhcp_discover(std::uint16_t port = 67)
{
    const auto message = hex("01 01 06 00 deadbeef 0000 0000") + octets(16) + hex("525400123456") + octets(10 + 64 + 128) +
                         hex("63825363 350101 ff");
    return datagram(key_between(ip_address::v4(0), ip_address::v4(255, 255, 255, 255), wire::protocol_udp, port, 68), message);
}

octet_vector dhcpv6_request(std::uint16_t port = 547)
{
    const auto servers = ip_address::v6({0xff02, 0, 0, 0, 0, 0, 1, 2});
    return datagram(key_between(guest_link_local, servers, wire::protocol_udp, port, 546), hex("0b aabbcc"));
}

/// "Fragmentation needed" about an echo reply from there.
octet_vector too_big_reply(const ip_address& from)
{
    constexpr std::size_t icmp = 14 + 20, quoted = icmp + 8 + 20;
    auto frame = error_about(key_between(guest4, from, wire::protocol_icmp, 0), too_big(ip_family::ipv4, 1000));
    frame[quoted] = wire::icmpv4_echo_reply; // what is there is a request
    frame[icmp + 2] = frame[icmp + 3] = 0;
    const auto sum = checksum_of(ones_sum(bytes_view{frame}.subspan(icmp)));
    frame[icmp + 2] = static_cast<octet>(sum >> 8);
    frame[icmp + 3] = static_cast<octet>(sum);
    return frame;
}

/// The guest's ports of the segments towards it.
std::vector<std::uint16_t> ports_reset(const memory_tap& tap)
{
    std::vector<std::uint16_t> ports;
    for (const auto& frame : tap.to_guest) {
        const auto p = classify(frame.octets);
        REQUIRE((p && p->kind == packet_kind::tcp));
        ports.push_back(p->destination_port);
    }
    return ports;
}

} // namespace

TEST_CASE("a frame that is no packet is counted by its reason, and nothing is learned from it")
{
    ingress_world w;
    auto frame = segment(stray4);
    frame.resize(30);
    CHECK(w.process({frame}) == 0);
    CHECK(w.dropped(drop_reason::truncated) == 1);
    CHECK(w.link.mac() == mac_address::broadcast());
}

TEST_CASE("a frame is ours by its address, to a group, to its own sender, or to nobody; what is another station's is left to it")
{
    for (const auto& to : {our_mac, mac_address::broadcast(), group_mac, guest_mac, mac_address{}}) {
        ingress_world w;
        CHECK(w.process({with_macs(segment(stray4), to)}) == 1);
        CHECK(w.dropped(drop_reason::other_station) == 0);
        CHECK(w.tap.to_guest.size() == 1);
    }
    ingress_world w;
    CHECK(w.process({with_macs(segment(stray4), another_mac)}) == 0);
    CHECK(w.dropped(drop_reason::other_station) == 1);
    CHECK(w.link.mac() == mac_address::broadcast());
    CHECK(w.tap.to_guest.empty());
}

TEST_CASE("who sends is learned: the MAC from every frame, which is told once, the address from every packet but ARP")
{
    ingress_world w;
    (void)w.process({arp(), arp()});
    CHECK(w.link.mac() == guest_mac);
    CHECK(w.told(event_kind::guest_mac_learned) == 1);
    CHECK(w.link.v4().is_unspecified());
    (void)w.process({segment(stray4), segment(stray6)});
    CHECK(w.link.v4() == guest4);
    CHECK(w.link.v6() == guest6);
    (void)w.process({with_macs(segment(stray4), our_mac, group_mac)});
    CHECK(w.link.mac() == guest_mac);
}

TEST_CASE("with a trace each packet that belongs to a flow is told")
{
    for (const bool trace : {true, false}) {
        ingress_world w;
        w.config.trace = trace;
        (void)w.process({segment(stray4), arp(), echo_request(gateway4), error_about(stray6, port_unreachable(ip_family::ipv6))});
        CHECK(w.told(event_kind::packet_from_guest) == (trace ? 3U : 0U));
    }
}

TEST_CASE("a batch has its most, and what is beyond it is not looked at")
{
    ingress_world w;
    CHECK(w.process(std::vector<octet_vector>(tap_queue::most_frames + 1, arp())) == tap_queue::most_frames);
}

TEST_CASE("frames of one flow are dealt with together, in their order, wherever they stand in the batch")
{
    ingress_world w;
    const auto one = key_between(guest4, remote4, wire::protocol_tcp, 80, 1001),
               two = key_between(guest4, remote4, wire::protocol_tcp, 80, 1002);
    CHECK(w.process({segment(one), segment(two), segment(one)}) == 3);
    CHECK(ports_reset(w.tap) == std::vector<std::uint16_t>{1001, 1001, 1002});
}

TEST_CASE("what is switched off is dropped by its family or its protocol; the link's own servers do not depend on UDP and ICMP")
{
    const auto udp = key_between(guest4, gateway4, wire::protocol_udp, 9);
    const struct {
        const char* what;
        octet_vector frame;
        drop_reason why;
        void (*off)(plane_config&);
    } rows[] = {
        {"IPv4", segment(stray4), drop_reason::family_disabled, [](plane_config& c) { c.net.ipv4 = false; }},
        {"IPv4, for ARP", arp(), drop_reason::family_disabled, [](plane_config& c) { c.net.ipv4 = false; }},
        {"IPv6", segment(stray6), drop_reason::family_disabled, [](plane_config& c) { c.net.ipv6 = false; }},
        {"TCP", segment(stray4), drop_reason::protocol_disabled, [](plane_config& c) { c.tcp = false; }},
        {"UDP", datagram(udp), drop_reason::protocol_disabled, [](plane_config& c) { c.udp = false; }},
        {"UDP, at DHCPv6's port", dhcp_discover(547), drop_reason::protocol_disabled, [](plane_config& c) { c.udp = false; }},
        {"UDP, at DHCP's port", dhcpv6_request(67), drop_reason::protocol_disabled, [](plane_config& c) { c.udp = false; }},
        {"ICMP", echo_request(gateway4), drop_reason::protocol_disabled, [](plane_config& c) { c.icmp = false; }},
    };
    for (const auto& row : rows) {
        CAPTURE(row.what);
        ingress_world w;
        row.off(w.config);
        (void)w.process({row.frame, row.frame});
        CHECK(w.dropped(row.why) == 2);
        CHECK(w.tap.to_guest.empty());
    }
    ingress_world w;
    w.config.udp = w.config.icmp = false;
    (void)w.process({dhcp_discover(), dhcpv6_request(), router_solicitation()});
    CHECK(w.tap.to_guest.size() == 3);
    CHECK(w.dropped(drop_reason::protocol_disabled) == 0);
}

TEST_CASE("ARP, neighbour discovery, DHCP and DHCPv6 are answered here, and the answer counts if the tap took it")
{
    const struct {
        octet_vector frame;
        counter answered;
    } rows[] = {{arp(), counter::arp_answers},
                {router_solicitation(), counter::ndp_answers},
                {dhcp_discover(), counter::dhcp_answers},
                {dhcpv6_request(), counter::dhcpv6_answers}};
    for (const auto& row : rows) {
        CAPTURE(static_cast<int>(row.answered));
        ingress_world w;
        w.tap.refusals = 1;
        (void)w.process({row.frame});
        CHECK(w.count(row.answered) == 0);
        (void)w.process({row.frame});
        CHECK(w.count(row.answered) == 1);
        REQUIRE(w.tap.to_guest.size() == 1);
        CHECK(std::equal(guest_mac.octets.begin(), guest_mac.octets.end(), w.tap.to_guest[0].octets.begin()));
    }
}

TEST_CASE("what a server of the link does not answer is counted by its reason")
{
    auto lying = dhcp_discover();
    lying[14 + 20 + 4] = 0; // the UDP length is shorter than its header
    lying[14 + 20 + 5] = 4;
    const struct {
        octet_vector frame;
        drop_reason why;
    } rows[] = {{arp(wire::arp_reply_operation), drop_reason::address_news}, {lying, drop_reason::bad_length}};
    for (const auto& row : rows) {
        CAPTURE(drop_reason_names[index(row.why)]);
        ingress_world w;
        (void)w.process({row.frame});
        CHECK(w.dropped(row.why) == 1);
        CHECK(w.tap.to_guest.empty());
    }
}

TEST_CASE("ICMPv6 of the types 133 to 137 ends at the link, its neighbours are for the echo translator")
{
    for (const int type : {129, 133, 134, 135, 136, 137, 138}) {
        CAPTURE(type);
        ingress_world w;
        w.config.icmp = false; // what goes on is seen by that
        (void)w.process({icmpv6({static_cast<octet>(type), 0, 0, 0, 0, 0, 0, 0}, ip_address::v6({0xff02, 0, 0, 0, 0, 0, 0, 2}))});
        CHECK(w.dropped(drop_reason::protocol_disabled) == (type == 129 || type == 138 ? 1U : 0U));
    }
}

TEST_CASE("what an ordinary guest says of itself is ignored under a name of its own, but its address is learned")
{
    const auto all_nodes = ip_address::v6({0xff02, 0, 0, 0, 0, 0, 0, 1}),
               mld_routers = ip_address::v6({0xff02, 0, 0, 0, 0, 0, 0, 0x16}),
               node = ip_address::v6({0xff02, 0, 0, 0, 0, 1, 0xff12, 0x3456});
    const octets target = hex("fe800000 00000000 505400ff fe123456");
    const struct {
        const char* what;
        octet_vector frame;
        drop_reason why;
    } rows[] = {
        {"MLD query", icmpv6(hex("82 00 0000 00000000"), mld_routers), drop_reason::group_membership},
        {"MLD report", icmpv6(hex("83 00 0000 00000000"), mld_routers), drop_reason::group_membership},
        {"MLD done", icmpv6(hex("84 00 0000 00000000"), mld_routers), drop_reason::group_membership},
        {"MLDv2 report", icmpv6(hex("8f 00 0000 00000000"), mld_routers), drop_reason::group_membership},
        {"router solicitation without routers", router_solicitation(), drop_reason::router_solicitation},
        {"neighbour advertisement", icmpv6(hex("88 00 0000 20000000") + target, all_nodes), drop_reason::address_news},
        {"solicitation of the own address", icmpv6(hex("87 00 0000 00000000") + target, node), drop_reason::address_news},
        {"ARP reply", arp(wire::arp_reply_operation), drop_reason::address_news},
    };
    for (const auto& row : rows) {
        CAPTURE(row.what);
        ingress_world w;
        w.config.net.ra = false;
        w.config.icmp = false; // it is none of its business
        (void)w.process({row.frame});
        CHECK(w.dropped(row.why) == 1);
        CHECK(is_ordinary(row.why));
        CHECK(w.link.mac() == guest_mac);
        CHECK(w.tap.to_guest.empty());
    }
}

TEST_CASE("an echo request to the host's loopback is answered, other ICMP is no request")
{
    ingress_world w;
    (void)w.process({echo_request(gateway4)});
    CHECK(w.count(counter::echo_from_guest) == 1);
    CHECK(w.tap.to_guest.size() == 1);
    (void)w.process({ip_frame(stray4, wire::protocol_icmp, hex("0d 00 0000 00010001"))});
    CHECK(w.dropped(drop_reason::bad_type) == 1);
}

TEST_CASE("an ICMP error goes to the translator of what it quotes")
{
    ingress_world w;
    (void)w.process({error_about(stray4, port_unreachable(ip_family::ipv4))});
    CHECK(w.dropped(drop_reason::no_flow) == 1);
    (void)w.process({error_about(key_between(guest6, remote6, wire::protocol_udp, 53), port_unreachable(ip_family::ipv6))});
    CHECK(w.count(counter::udp_refused_by_guest) == 1);
    w.config.tcp = false; // then a segment cannot be ours, and the error is a message like any other
    (void)w.process({error_about(stray4, port_unreachable(ip_family::ipv4))});
    CHECK(w.dropped(drop_reason::no_flow) == 1);
    CHECK(w.dropped(drop_reason::bad_type) == 1);
}

TEST_CASE("a narrow path behind the guest is believed about packets that we have sent, and counts once")
{
    const auto udp = key_between(guest4, gateway4, wire::protocol_udp, 9);
    ingress_world w;
    for (const octet protocol : {wire::protocol_tcp, wire::protocol_udp})
        (void)w.process({error_about(key_between(guest4, remote4, protocol, 80), too_big(ip_family::ipv4, 1000))});
    (void)w.process({too_big_reply(remote4)});
    CHECK(w.dropped(drop_reason::no_flow) == 3);
    CHECK(w.count(counter::narrow_paths_learned) == 0);
    (void)w.process({datagram(udp)});
    REQUIRE(w.count(counter::udp_flows_opened) == 1);
    for (const std::uint32_t mtu : {1000U, 1000U, 1200U})
        (void)w.process({error_about(udp, too_big(ip_family::ipv4, mtu))});
    CHECK(w.count(counter::narrow_paths_learned) == 1);
    CHECK(w.link.paths.mtu_of(guest4, 65520) == 1000);
    ingress_world loopback; // of the host, which answers every echo request
    (void)loopback.process({too_big_reply(gateway4)});
    CHECK(loopback.count(counter::narrow_paths_learned) == 1);
}

TEST_CASE("fragments are held until they are whole, then the packet goes where another would")
{
    for (const auto& key : {stray4, stray6}) {
        ingress_world w;
        const auto parts = in_two(key, wire::protocol_tcp, segment_upper(key, wire::tcp_ack, octets(12)), 24);
        (void)w.process({parts[0]});
        CHECK(w.dropped(drop_reason::fragment_held) == 1);
        CHECK(w.count(counter::reassembled) == 0);
        (void)w.process({parts[1]});
        CHECK(w.count(counter::reassembled) == 1);
        CHECK(ports_reset(w.tap) == std::vector<std::uint16_t>{key.guest_port});
    }
}

TEST_CASE("fragments that come to nothing are counted by their reason")
{
    constexpr octet no_protocol = 132;
    const octets upper(32);
    SECTION("of no protocol that we know")
    {
        ingress_world w;
        (void)w.process(in_two(stray4, no_protocol, upper, 16));
        CHECK(w.count(counter::reassembled) == 1);
        CHECK(w.dropped(drop_reason::unknown_protocol) == 1);
    }
    SECTION("that overlap")
    {
        ingress_world w;
        const auto last = in_two(stray6, wire::protocol_tcp, upper, 16)[1];
        (void)w.process({in_two(stray6, wire::protocol_tcp, upper, 24)[0], last});
        CHECK(w.dropped(drop_reason::fragment_overlap) == 1);
        CHECK(w.count(counter::reassembled) == 0);
    }
    SECTION("for which there is no memory: the older datagram goes")
    {
        ingress_world w{{.reassembly = reassembler::slot_size}};
        for (const std::uint16_t identification : {std::uint16_t{1}, std::uint16_t{2}})
            (void)w.process({in_two(stray4, wire::protocol_tcp, upper, 16, identification)[0]});
        CHECK(w.dropped(drop_reason::fragment_no_memory) == 1);
        (void)w.process({in_two(stray4, wire::protocol_tcp, upper, 16, 2)[1]});
        CHECK(w.count(counter::reassembled) == 1);
    }
    SECTION("whose rest does not come in time")
    {
        ingress_world w;
        (void)w.process({in_two(stray4, wire::protocol_tcp, upper, 16)[0]});
        CHECK(w.plane.next_deadline(w.now) <= w.now + reassembler::ipv4_timeout);
        w.plane.end_turn(w.now + reassembler::ipv4_timeout - std::chrono::seconds{1});
        CHECK(w.dropped(drop_reason::fragment_timeout) == 0);
        w.plane.end_turn(w.now + reassembler::ipv4_timeout);
        CHECK(w.dropped(drop_reason::fragment_timeout) == 1);
    }
}
