// What of the guest's frames goes to another worker.
#include "tests/unit/daemon/translate/ingress_world.hpp"

using namespace tapioca;
using namespace tapioca::test;
using report::counter;

namespace {

const auto tcp4 = key_between(guest4, gateway4, wire::protocol_tcp, 9),
           udp4 = key_between(guest4, gateway4, wire::protocol_udp, 9);
const auto udp6 = key_between(guest6, remote6, wire::protocol_udp, 53);

bool everything(std::uint64_t /*flow_hash*/) { return true; }

} // namespace

TEST_CASE("a frame goes to the worker that owns its flow, as it is; an error goes where the flow is that it quotes")
{
    const struct {
        const char* what;
        octet_vector frame;
    } rows[] = {{"a segment", segment(tcp4)},
                {"a datagram", datagram(udp4)},
                {"an echo request", echo_request(gateway4)},
                {"a refused segment", error_about(tcp4, port_unreachable(ip_family::ipv4))},
                {"a refused datagram", error_about(udp6, port_unreachable(ip_family::ipv6))},
                {"a segment that was too big", error_about(tcp4, too_big(ip_family::ipv4, 1000))},
                {"a datagram that was too big", error_about(udp6, too_big(ip_family::ipv6, 1300))}};
    for (const auto& row : rows) {
        CAPTURE(row.what);
        ingress_world w;
        w.other.owns = everything;
        CHECK(w.process({row.frame, row.frame}) == 0);
        CHECK(w.other.frames == std::vector{row.frame, row.frame});
        CHECK(w.count(counter::frames_handed_over) == 2);
        CHECK(w.count(counter::steering_missed) == 2);
        CHECK(w.count(counter::connections_handed_over) == 0);
        CHECK(w.tap.to_guest.empty());
    }
}

TEST_CASE("the owner is asked by the hash of the flow, which an error has in common with what it quotes")
{
    for (const auto& key : {tcp4, udp6})
        for (const auto& frame : {key.protocol == wire::protocol_tcp ? segment(key) : datagram(key),
                                  error_about(key, port_unreachable(key.guest.family()))}) {
            ingress_world w;
            w.other.owns = [hash = hash_of(key, w.config.secret)](std::uint64_t asked) { return asked == hash; };
            CHECK(w.process({frame}) == 0);
            CHECK(w.other.frames.size() == 1);
        }
}

TEST_CASE("what has no flow stays, whoever owns what")
{
    ingress_world w;
    w.other.owns = everything;
    w.other.is_better = true;
    CHECK(w.process({arp(), ip_frame(tcp4, wire::protocol_icmp, hex("0d 00 0000 00010001"))}) == 2);
    CHECK(w.other.frames.empty());
    CHECK(w.count(counter::arp_answers) == 1);
    CHECK(w.dropped(drop_reason::bad_type) == 1);
}

TEST_CASE("frames of a batch that stay are dealt with, those around them are not")
{
    ingress_world w;
    w.other.owns = [hash = hash_of(tcp4, w.config.secret)](std::uint64_t asked) { return asked == hash; };
    const auto ours = key_between(guest4, gateway4, wire::protocol_tcp, 80);
    CHECK(w.process({segment(tcp4), segment(ours), segment(tcp4)}) == 1);
    CHECK(w.other.frames.size() == 2);
    CHECK(w.dropped(drop_reason::no_flow) == 1);
}

TEST_CASE("a flow of ours stays, whatever the table of owners says")
{
    for (const auto& frame : {segment(tcp4, wire::tcp_syn), datagram(udp4)}) {
        ingress_world w;
        CHECK(w.process({frame}) == 1);
        CHECK(w.count(counter::tcp_flows_opened) + w.count(counter::udp_flows_opened) == 1);
        w.other.owns = everything;
        CHECK(w.process({frame}) == 1);
        CHECK(w.other.frames.empty());
    }
}

TEST_CASE("a new connection goes to the better place, other segments of nobody do not")
{
    ingress_world w;
    w.other.is_better = true;
    CHECK(w.process({segment(tcp4)}) == 1);
    CHECK(w.other.frames.empty());
    CHECK(w.process({datagram(udp4)}) == 1);
    CHECK(w.other.frames.empty());
    CHECK(w.process({segment(tcp4, wire::tcp_syn)}) == 0);
    CHECK(w.other.frames.size() == 1);
    CHECK(w.count(counter::connections_handed_over) == 1);
    CHECK(w.count(counter::frames_handed_over) == 0);
    CHECK(w.count(counter::steering_missed) == 0); // no table knew better
}

TEST_CASE("a new datagram goes to the worker that has the socket of the guest's port")
{
    ingress_world w;
    w.other.owns = [hash = hash_of(udp4, w.config.secret)](std::uint64_t asked) {
        return asked != hash;
    }; // the port, not the flow
    CHECK(w.process({datagram(udp4)}) == 0);
    CHECK(w.other.frames.size() == 1);
}

TEST_CASE("what does not fit the mailbox is lost, and counted so")
{
    for (const bool owned : {true, false}) {
        ingress_world w;
        w.other.accepts_data = false;
        w.other.is_better = true;
        if (owned)
            w.other.owns = everything;
        CHECK(w.process({segment(tcp4, wire::tcp_syn)}) == 0);
        CHECK(w.dropped(drop_reason::mailbox_full) == 1);
        CHECK(w.count(counter::frames_handed_over) + w.count(counter::connections_handed_over) == 0);
        CHECK(w.count(counter::tcp_flows_opened) == 0);
    }
}

TEST_CASE("a datagram that came in fragments goes to the owner of its flow when it is whole")
{
    for (const bool owned : {true, false}) {
        ingress_world w;
        const auto upper = segment_upper(tcp4, wire::tcp_ack, octets(12));
        if (owned)
            w.other.owns = everything;
        CHECK(w.process(in_two(tcp4, wire::protocol_tcp, upper, 16)) == 2);
        CHECK(w.count(counter::reassembled) == 1);
        CHECK(w.other.datagrams == (owned ? std::vector<octet_vector>{upper} : std::vector<octet_vector>{}));
        CHECK(w.count(counter::frames_handed_over) == (owned ? 1U : 0U));
        CHECK(w.dropped(drop_reason::no_flow) == (owned ? 0U : 1U));
    }
}

TEST_CASE("what another worker hands over is dealt with here, and goes no further")
{
    ingress_world w;
    w.other.owns = everything;
    const auto frame = segment(tcp4);
    w.plane.take_over(rx_frame{{}, frame}, {}, w.now);
    const auto p = classify(frame);
    REQUIRE(p);
    w.plane.take_over(*p, w.now);
    CHECK(w.dropped(drop_reason::no_flow) == 2);
    CHECK(w.tap.to_guest.size() == 2);
    CHECK(w.other.frames.empty());
    CHECK(w.other.datagrams.empty());
    w.plane.take_over(rx_frame{{}, bytes_view{frame}.first(30)}, {}, w.now);
    CHECK(w.dropped(drop_reason::truncated) == 1);
}
