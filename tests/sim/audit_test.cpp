// What the audit log is told of flows over the tap: each beginning and end with what they carried, and no flow that it is not.
#include "proto/wire/icmp.hpp"
#include "tests/sim/name_world.hpp"
#include "tests/support/listed_flows.hpp"

using namespace tapioca;
using namespace tapioca::test;
using report::audit_event;
using report::audit_record;
using report::audit_ring;

namespace {

struct audit_world {
    explicit audit_world(audit_mode mode = audit_mode::kept) : ring(std::make_unique<audit_ring>(mode, 0))
    {
        s.plane->common().audit = ring.get();
        s.kernel.has_udp = true;
        s.on_other_to_guest = [this](const packet& p) {
            reader in{p.l4};
            const auto h = in.take<wire::icmp_header>();
            REQUIRE(h);
            prohibited += h->type == wire::icmpv4_unreachable && h->code == wire::icmpv4_code_prohibited;
        };
    }
    std::vector<audit_record> records()
    {
        std::vector<audit_record> all;
        (void)ring->drain([&](const audit_record& r) {
            all.push_back(r);
            return true;
        });
        return all;
    }
    /// A datagram of the guest from that port.
    void send(std::uint16_t port, std::size_t octets)
    {
        const flow_key k{s.config.net.address4.address, resolver4(9), port, 9, wire::protocol_udp};
        s.inject(ip_frame(k, wire::protocol_udp, udp_upper(k, std::vector<octet>(octets))));
        s.run_for(1ms);
    }
    void fill()
    {
        while (ring->open({}) != 0) {
        }
    }

    std::unique_ptr<audit_ring> ring;
    simulation s;
    int prohibited = 0;
};

} // namespace

TEST_CASE("a connection is recorded when it begins and when it ends, with its octets and whom the host speaks to")
{
    audit_world w;
    auto& c = established(w.s);
    converse_to_end(w.s, c, 1000, 2000);
    const auto all = w.records();
    REQUIRE(all.size() == 2);
    CHECK((all[0].what == audit_event::opened && all[1].what == audit_event::ended));
    CHECK((all[0].number != 0 && all[0].number == all[1].number));
    CHECK(all[0].to == endpoint{all[0].head.key.remote, all[0].head.key.remote_port});
    CHECK((all[0].verdict.ground == egress_ground::nobody && all[0].verdict.passes));
    CHECK(all[1].why == end_reason::finished);
    CHECK(all[1].octets);
    CHECK(all[1].when > all[0].when);
}

TEST_CASE("a peer's connection is recorded as one, and what is still open when the program ends, too")
{
    audit_world w;
    auto& c = w.s.peer_opens();
    CHECK(w.s.run_until([&] { return c.guest->at == stage::open; }, 1s));
    w.s.plane->audit_what_is_left(w.s.now());
    const auto all = w.records();
    REQUIRE(all.size() == 2);
    CHECK((all[0].what == audit_event::opened && all[0].head.from_peer()));
    CHECK((all[1].what == audit_event::left_open && all[1].number == all[0].number));
}

TEST_CASE("a flow of datagrams is recorded with what they held, sent or answered")
{
    audit_world w;
    memory_socket* socket = nullptr;
    w.s.kernel.on_datagram = [&](memory_socket& by, const os::outgoing&) { socket = &by; };
    w.send(4000, 100);
    w.send(4000, 11);
    REQUIRE(socket != nullptr);
    const auto listed = listed_flows(*w.s.plane, 7, w.s.now());
    REQUIRE(listed.size() == 1);
    CHECK(listed[0].octets == flow_octets{111, 0});
    CHECK(listed[0].age >= 1ms);
    CHECK(w.s.plane->close(flow_kind::udp, listed[0].id, end_reason::on_request, w.s.now()));
    const auto all = w.records();
    REQUIRE(all.size() == 2);
    CHECK(all[1].octets == flow_octets{111, 0});
    CHECK(all[1].why == end_reason::on_request);
}

TEST_CASE("what has to be recorded and cannot be does not begin: the guest hears that it is prohibited")
{
    audit_world w{audit_mode::required};
    std::size_t sent = 0;
    w.s.kernel.on_datagram = [&](memory_socket&, const os::outgoing&) { ++sent; };
    w.fill();
    auto& c = w.s.guest_opens();
    w.s.run_for(10ms);
    CHECK(c.peer.socket == nullptr);
    w.send(4000, 10);
    CHECK(w.prohibited == 2);
    CHECK(sent == 0);
    CHECK(w.s.dropped(drop_reason::audit_full) == 2);
    CHECK(w.s.nothing_left());
    (void)w.records();
    w.send(4001, 10);
    CHECK(sent == 1);
    CHECK(w.prohibited == 2);
    w.ring->stop(true);
    w.send(4002, 10);
    w.send(4001, 10); // goes on
    CHECK(sent == 2);
    CHECK(w.prohibited == 3);
}

TEST_CASE("a peer whose connection has to be recorded and cannot be is reset")
{
    audit_world w{audit_mode::required};
    w.fill();
    auto& c = w.s.peer_opens();
    w.s.run_for(10ms);
    CHECK(c.peer.socket->reset_sent);
    CHECK(w.s.plane->tcp().flow_count() == 0);
}

TEST_CASE("without being required, what cannot be recorded passes, and is counted as lost")
{
    audit_world w;
    std::size_t sent = 0;
    w.s.kernel.on_datagram = [&](memory_socket&, const os::outgoing&) { ++sent; };
    w.fill();
    const auto before = w.ring->lost();
    w.send(4000, 10);
    CHECK(sent == 1);
    CHECK(w.ring->lost() == before + 2);
    (void)w.records();
    CHECK(w.s.plane->close(flow_kind::udp, listed_flows(*w.s.plane).at(0).id, end_reason::on_request, w.s.now()));
    CHECK(w.records().empty());
}
