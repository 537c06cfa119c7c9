#include "proto/migrate/tcp_flow_state.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

#include <array>

using namespace tapioca;
using namespace tapioca::migrate;
using namespace std::chrono_literals;

namespace {

constexpr instant there{1h}, here{50h}; ///< the clocks of two processes, maybe of two machines

tcp_flow_state sample()
{
    tcp::connection c;
    static_cast<void>(c.open_to_guest(seq_number{0xfffffff0}, 1460, there));
    static_cast<void>(c.on_segment({.seq = seq_number{500},
                                    .ack = seq_number{0xfffffff1},
                                    .window = 1000,
                                    .syn = true,
                                    .has_ack = true,
                                    .mss = 1400,
                                    .scale = 7},
                                   there));
    c.on_sent(100, there);
    const flow_head head{.key = {ip_address::v4(0x0a000002), ip_address::v4(0x0a000001), 80, 40000, wire::protocol_tcp},
                         .origin = flow_origin::peer,
                         .rule = 3};
    auto s = state_of(head, c, there + 50ms);
    s.heard = 7, s.moved = 9, s.keep_idle = 60;
    s.shutdown_due = s.peek_offset = s.urgent = true;
    s.to_socket = 4711;
    return s;
}

std::array<octet, tcp_record_octets> record_of(const tcp_flow_state& s)
{
    std::array<octet, tcp_record_octets> octets{};
    writer to{octets};
    write(to, s);
    REQUIRE(to.size() == octets.size());
    REQUIRE(!to.full());
    return octets;
}

parsed<tcp_flow_state> read(bytes_view octets)
{
    reader from{octets};
    return read_tcp_flow(from);
}

} // namespace

TEST_CASE("a flow is the same behind its record")
{
    const auto s = sample();
    const auto octets = record_of(s);
    const auto back = read(octets);
    REQUIRE(back);
    CHECK(record_of(*back) == octets);
    CHECK(back->head.key == s.head.key);
    CHECK(back->head.from_peer());
    CHECK(back->head.rule == 3);
    CHECK(back->c.snd_max == s.c.snd_max);
    CHECK(back->c.state == tcp::tcp_state::established);
    CHECK(back->c.snd_scale == 7);
    CHECK(back->c.mss == 1400);
    CHECK((back->shutdown_due && back->peek_offset && back->urgent));
    CHECK(!(back->broken || back->aborted || back->lingering));
    CHECK(back->to_socket == 4711);
}

TEST_CASE("a timer goes on with what was left of it, by the other clock")
{
    const auto s = sample();
    REQUIRE(s.retransmit_in);
    const auto c = restored(*read(record_of(s)), here);
    CHECK(c.next_timeout(here) > here);
    CHECK(c.next_timeout(here) <= here + *s.retransmit_in + 1ms);
}

TEST_CASE("a timer that does not run stays so")
{
    auto s = sample();
    s.retransmit_in.reset();
    CHECK(restored(*read(record_of(s)), here).next_timeout(here) == instant::max());
}

TEST_CASE("what no connection of ours can be is refused")
{
    const auto changed = [](auto change) {
        auto s = sample();
        change(s);
        return static_cast<bool>(read(record_of(s)));
    };
    CHECK(changed([](auto&) {}));
    CHECK(!changed([](auto& s) { s.head.key.protocol = wire::protocol_udp; }));
    CHECK(!changed([](auto& s) { s.head.key.guest_port = 0; }));
    CHECK(!changed([](auto& s) { s.c.state = static_cast<tcp::tcp_state>(10); }));
    CHECK(!changed([](auto& s) { s.c.snd_una = s.c.snd_max + 1; }));
    CHECK(!changed([](auto& s) { s.c.snd_nxt = s.c.snd_max + 1; }));
    CHECK(!changed([](auto& s) { s.c.rcv_adv = s.c.rcv_nxt - 1; }));
    CHECK(!changed([](auto& s) { s.c.mss = 0; }));
    CHECK(!changed([](auto& s) { s.c.snd_scale = 15; }));
    CHECK(!changed([](auto& s) { s.c.rcv_limit_bits = 21; }));
    CHECK(!changed([](auto& s) { s.c.rcv_limit_bits = 15; }));
    CHECK(!changed([](auto& s) { s.to_socket = most_to_socket + 1; }));
    CHECK(!changed([](auto& s) { s.to_guest = 1; })); // and yet it is all in the socket
}

TEST_CASE("a record that ends early is refused")
{
    const auto octets = record_of(sample());
    for (std::size_t n = 0; n < octets.size(); ++n)
        CHECK(!read(bytes_view{octets}.first(n)));
}
