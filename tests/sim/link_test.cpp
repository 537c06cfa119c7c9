// Frames of the guest's link that are not what they seem: for other stations, or in fragments.
#include "proto/frame/fragment.hpp"
#include "proto/responder/icmp_error.hpp"
#include "tests/sim/scenario.hpp"
#include "tests/support/port_unreachable.hpp"
#include "tests/support/reference_network.hpp"

using namespace tapioca;
using namespace tapioca::test;
using report::counter;

namespace {

constexpr mac_address another_mac{{0x52, 0x54, 0, 0xbb, 0xbb, 0xbb}};

/// A segment of no connection, which is answered with a reset where it is taken.
void stray(simulation& s, const mac_address& from, const mac_address& to)
{
    const auto guest = s.config.net.address4.address;
    const flow_key reversed{ip_address::v4(203, 0, 113, 9), guest, std::uint16_t{80}, std::uint16_t{43'001}, wire::protocol_tcp};
    std::vector<octet> frame(most_header_octets);
    wire::virtio_net_header vnet;
    const tcp_emission e{.seq = seq_number{5000}, .ack = seq_number{1}, .flags = wire::tcp_ack};
    const auto size = emit_tcp(frame.data() + frame.size(), {from, to}, reversed, e, vnet);
    s.inject(bytes_view{frame}.last(size));
    s.run_for(1ms);
}

/// An IPv4 packet in fragments of so many octets behind the header.
void inject_in_fragments(simulation& s, bytes_view frame, std::size_t step)
{
    const auto p = classify(frame);
    REQUIRE(p);
    outgoing_datagram d;
    d.our_mac = guest_mac;
    d.guest_mac = s.config.net.our_mac;
    d.source = p->source;
    d.destination = p->destination;
    d.protocol = wire::protocol_icmp;
    d.identification = 7;
    d.upper_header = p->l4.first(8);
    d.payload_length = p->l4.size() - 8;
    fragmenter split{d, 20 + step};
    REQUIRE(split.count() > 1);
    while (const auto part = split.next()) {
        std::vector<octet> octets(part->headers.begin(), part->headers.end());
        const auto piece = p->l4.subspan(8 + part->offset, part->length);
        octets.insert(octets.end(), piece.begin(), piece.end());
        s.inject(octets);
    }
    s.run_for(1ms);
}

} // namespace

TEST_CASE("a frame for another station of the guest's link is neither answered nor learned from")
{
    simulation s;
    stray(s, guest_mac, another_mac);
    stray(s, another_mac, {{0x52, 0x54, 0, 0xcc, 0xcc, 0xcc}});
    CHECK(s.dropped(drop_reason::other_station) == 2);
    CHECK(s.count(counter::tcp_resets_to_guest) == 0);
    CHECK(s.guest.mac() == guest_mac);
}

TEST_CASE("a frame to us, to a group, to its own sender or to no address is taken")
{
    simulation s;
    std::uint64_t answered = 0;
    for (const auto& to :
         {s.config.net.our_mac, mac_address::broadcast(), mac_address{{0x33, 0x33, 0, 0, 0, 1}}, guest_mac, mac_address{}}) {
        stray(s, guest_mac, to);
        CHECK(s.count(counter::tcp_resets_to_guest) == ++answered);
    }
    CHECK(s.dropped(drop_reason::other_station) == 0);
}

TEST_CASE("an ICMP error of the guest that comes in fragments means what it means")
{
    simulation s;
    auto& c = s.peer_opens();
    c.guest->mute = true;
    s.run_for(10ms);
    CHECK(s.tcp->flow_count() == 1);
    const auto& key = c.guest->key();
    const auto flow_iss = [&] {
        seq_number iss;
        s.on_segment_to_guest = [&iss](const wire::tcp_segment& segment, instant) { iss = segment.seq; };
        s.run_for(1500ms); // the SYN comes again
        return iss;
    }();
    icmp_error_request r{.our_mac = guest_mac, .guest_mac = s.config.net.our_mac, .offender = key.guest};
    r.cause = port_unreachable(ip_family::ipv4);
    r.protocol = wire::protocol_tcp;
    r.guest = {key.remote, key.remote_port};
    r.remote = {key.guest, key.guest_port};
    r.sequence = flow_iss.value();
    r.payload_length = 12;
    std::array<octet, 1514> frame;
    const auto size = icmp_error(r, frame);
    REQUIRE(size != 0);
    inject_in_fragments(s, {frame.data(), size}, 16);
    CHECK(s.count(counter::reassembled) == 1);
    CHECK(s.tcp->flow_count() == 0);
    CHECK(c.peer.socket->reset_sent);
}
