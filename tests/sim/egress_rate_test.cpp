// The rate of an egress policy: exact over any time, shared by all flows alike, and without loss where there is a window.

#include "tests/sim/egress_world.hpp"
#include "tests/support/guest_frames.hpp"

using namespace tapioca;
using namespace tapioca::test;

namespace {

constexpr std::uint64_t rate = 1'000'000;                     ///< octets a second
constexpr std::uint64_t ahead = rate / 100 + 2 * rate / 1000; ///< the bucket, and what two flows may move at once

bool is_paced(std::uint64_t octets, duration time, std::uint64_t octets_per_second = rate, std::uint64_t most_ahead = ahead)
{
    const auto due = octets_per_second * static_cast<std::uint64_t>(time.count()) / 1'000'000'000;
    UNSCOPED_INFO(octets << " octets, " << due << " due");
    return octets <= due + most_ahead && octets + due / 100 + most_ahead >= due;
}

constexpr std::uint64_t datagrams_ahead = rate / 20 + 65536 + 1000; ///< their bucket, the largest segment, and one of them

} // namespace

TEST_CASE("what a peer sends comes at the rate, all of it, and the worker sleeps in between")
{
    egress_world w({.v6 = GENERATE(false, true)});
    w.limit({.octets_per_second = rate});
    auto& c = established(w.s);
    const auto begin = w.s.now();
    c.peer.to_send = 2 * rate;
    for (int i = 1; i <= 8; ++i) {
        w.s.run_for(200ms);
        CHECK(is_paced(c.guest->received(), w.s.now() - begin));
        CHECK((!w.s.plane->has_ready() || w.s.plane->next_deadline(w.s.now()) <= w.s.now()));
    }
    c.guest->finish(w.s.now());
    c.peer.finish = true;
    CHECK(w.s.run_to_end(c));
    check_end(w.s, c);
    CHECK(w.s.now() - begin >= 1980ms);
    CHECK(c.guest->retransmissions == 0);
    CHECK(w.s.count(report::counter::tcp_retransmits) == 0);
}

TEST_CASE("what the guest sends leaves at the rate, and nothing of it is lost or sent twice")
{
    egress_world w({.v6 = GENERATE(false, true)});
    w.limit({.octets_per_second = rate});
    auto& c = established(w.s);
    const auto begin = w.s.now();
    c.guest->write(2 * rate, w.s.now());
    c.guest->finish(w.s.now());
    for (int i = 1; i <= 8; ++i) {
        w.s.run_for(200ms);
        CHECK(is_paced(c.peer.received, w.s.now() - begin));
    }
    c.peer.finish = true;
    CHECK(w.s.run_to_end(c));
    check_end(w.s, c);
    CHECK(w.s.now() - begin >= 1980ms);
    CHECK(w.s.dropped(drop_reason::overflow_exhausted) == 0);
    CHECK(c.guest->retransmissions == 0);
}

TEST_CASE("a paced worker wakes about once a millisecond, not more")
{
    egress_world w;
    w.limit({.octets_per_second = rate});
    auto& c = established(w.s);
    c.peer.to_send = 2 * rate;
    w.s.run_for(100ms);
    const auto next = w.s.plane->next_deadline(w.s.now());
    CHECK(!w.s.plane->has_ready());
    CHECK(next > w.s.now());
    CHECK(next <= w.s.now() + 3ms);
}

TEST_CASE("flows have equal shares of the rate, whichever way their octets go")
{
    egress_world w;
    w.limit({.octets_per_second = rate});
    const auto all = w.established_all(8);
    for (std::size_t i = 0; i < all.size(); ++i)
        if (i % 2 == 0)
            all[i]->peer.to_send = 2 * rate;
        else
            all[i]->guest->write(2 * rate, w.s.now());
    const auto begin = w.s.now();
    w.s.run_for(2s);
    std::uint64_t sum = 0;
    for (const auto* c : all) {
        const auto moved = c->guest->received() + c->peer.received;
        sum += moved;
        CHECK(moved >= 2 * rate / all.size() * 8 / 10);
        CHECK(moved <= 2 * rate / all.size() * 12 / 10);
    }
    CHECK(is_paced(sum, w.s.now() - begin));
    check_no_complaints(w.s);
}

TEST_CASE("another policy changes the rate of flows that stand, and none frees them")
{
    egress_world w;
    w.limit({.octets_per_second = rate});
    auto& c = established(w.s);
    auto begin = w.s.now();
    c.peer.to_send = 20 * rate;
    w.s.run_for(1s);
    CHECK(is_paced(c.guest->received(), w.s.now() - begin));
    w.limit({.octets_per_second = 4 * rate});
    auto before = c.guest->received();
    begin = w.s.now();
    w.s.run_for(1s);
    CHECK(is_paced(c.guest->received() - before, w.s.now() - begin, 4 * rate));
    w.limit({});
    w.s.run_for(1s);
    CHECK(c.guest->received() == 20 * rate);
}

TEST_CASE("a slow rate holds as well: octets wait for as long as it takes")
{
    egress_world w;
    w.limit({.octets_per_second = 2000});
    auto& c = established(w.s);
    c.guest->write(20'000, w.s.now());
    c.guest->finish(w.s.now());
    c.peer.to_send = 20'000;
    c.peer.finish = true;
    const auto begin = w.s.now();
    CHECK(w.s.run_to_end(c));
    CHECK(w.s.now() - begin >= 18s);
    CHECK(w.s.now() - begin <= 23s);
    check_end(w.s, c);
}

TEST_CASE("datagrams beyond the rate are dropped and counted, in both directions")
{
    egress_world w;
    w.s.kernel.has_udp = true;
    std::size_t left = 0, came = 0;
    memory_socket* socket = nullptr;
    w.s.kernel.on_datagram = [&](memory_socket& s, const os::outgoing& m) {
        socket = &s;
        for (const auto piece : m.pieces)
            left += piece.size();
    };
    w.s.on_other_to_guest = [&](const packet& p) { came += p.l4.size() - 8; };
    w.limit({.octets_per_second = rate});
    const auto remote = ip_address::v4(203, 0, 113, 9);
    const flow_key key{w.s.config.net.address4.address, remote, 4000, 4001, wire::protocol_udp};
    const auto datagram = ip_frame(key, wire::protocol_udp, udp_upper(key, std::vector<octet>(1000)));
    const auto begin = w.s.now();
    for (int i = 0; i < 1000; ++i) { // twice the rate
        w.s.inject(datagram);
        w.s.run_for(500us);
    }
    CHECK(is_paced(left, w.s.now() - begin, rate, datagrams_ahead));
    CHECK(w.s.dropped(drop_reason::egress_limit) == 1000 - left / 1000);
    left = 0;
    const auto answers = w.s.now();
    const auto dropped = w.s.dropped(drop_reason::egress_limit);
    for (int i = 0; i < 1000; ++i) {
        w.s.kernel.datagram_arrives(*socket, {{remote, 4001}, {}, std::vector<octet>(1000)});
        w.s.run_for(500us);
    }
    CHECK(is_paced(came, w.s.now() - answers, rate, datagrams_ahead));
    CHECK(w.s.dropped(drop_reason::egress_limit) - dropped == 1000 - came / 1000);
}

TEST_CASE("datagrams pass while connections use up the rate, which together keep to it")
{
    egress_world w;
    w.s.kernel.has_udp = true;
    std::uint64_t left = 0;
    w.s.kernel.on_datagram = [&](memory_socket&, const os::outgoing& m) {
        for (const auto piece : m.pieces)
            left += piece.size();
    };
    w.limit({.octets_per_second = rate});
    auto& c = established(w.s);
    const auto begin = w.s.now();
    c.peer.to_send = 10 * rate;
    const flow_key key{w.s.config.net.address4.address, ip_address::v4(203, 0, 113, 9), 4000, 4001, wire::protocol_udp};
    const auto datagram = ip_frame(key, wire::protocol_udp, udp_upper(key, std::vector<octet>(100)));
    for (int i = 0; i < 500; ++i) {
        w.s.inject(datagram);
        w.s.run_for(3ms);
    }
    CHECK(left == 50'000);
    CHECK(w.s.dropped(drop_reason::egress_limit) == 0);
    CHECK(is_paced(left + c.guest->received(), w.s.now() - begin));
}
